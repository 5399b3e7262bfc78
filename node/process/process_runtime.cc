#include "node/process/process_runtime.h"

#include <unistd.h>

#include <future>

#include "components/base/real/event_loop.h"
#include "components/core_worker/assembly/core_worker_assembly.h"
#include "components/core_worker/runtime/blocking_runtime.h"
#include "components/core_worker/runtime/thread_executor.h"
#include "components/raylet/worker_launcher.h"
#include "node/process_settings.h"
#include "node/wiring.h"

namespace mobula::node {

using core_worker::CoreWorkerAssembly;

class ProcessRuntime::Impl {
 public:
  explicit Impl(ProcessOptions the_options)
      : options(std::move(the_options)),
        random(Random::EntropySeed()),
        id(options.is_driver ? random.NewId<WorkerId>() : options.startup_id),
        log(loop.clock(), options.is_driver ? "driver" : "worker", options.log_level,
            FileDescriptorSink(STDERR_FILENO)) {}

  /// Builds the parts. \pre the state lock is held.
  Result<void> Build() {
    // The node's own transports, faults included: its file speaks for all of its processes.
    Result<ProcessSettings> settings = ParseProcessSettings(options.settings);
    if (!settings) return Fail(std::move(settings.error()));
    auto handshake = std::make_shared<transport::HandshakeConfig>();
    handshake->self.role = options.is_driver ? "driver" : "worker";
    handshake->self.id = id.Hex();
    handshake->token = options.token;
    handshake->log = &log;
    Result<Transports> made =
        MakeTransports(loop, settings->transport, random, std::move(handshake));
    if (!made) return Fail(std::move(made.error()));
    transports = std::move(*made);
    CoreWorkerAssembly::Deps deps{
        .loop = loop,
        .transport_for = [this](std::string_view endpoint) { return transports.For(endpoint); },
        .random = random.Fork("core_worker"),
        .log = log};
    Result<std::unique_ptr<CoreWorkerAssembly>> assembled =
        CoreWorkerAssembly::Make(std::move(deps), MakeAssemblyOptions(settings->core_worker));
    if (!assembled) return Fail(std::move(assembled.error()));
    assembly = std::move(*assembled);
    // User code sleeps in the runtime. Only a worker has an executor: it runs tasks on its main
    // thread.
    runtime.emplace(assembly->core(), loop);
    if (!options.is_driver) executor.emplace(assembly->core(), loop, *runtime);
    assembly->core().OnMustExit([this](const Error& why) { MustExit(why); });
    return {};
  }

  [[nodiscard]] core_worker::AssemblyOptions MakeAssemblyOptions(
      const core_worker::CoreWorkerConfig& config) const {
    core_worker::AssemblyOptions assembly_options;
    assembly_options.config = config;
    assembly_options.is_driver = options.is_driver;
    assembly_options.id = id;
    assembly_options.job = options.job;
    assembly_options.program = options.program;
    assembly_options.pid = ::getpid();
    assembly_options.raylet_endpoint = options.raylet_endpoint;
    assembly_options.local_listen_endpoint = raylet::LocalEndpointOf(id, options.raylet_endpoint);
    assembly_options.listen_endpoint = fmt::format("tcp://{}:0", options.node_address);
    return assembly_options;
  }

  void Join(Done<void> joined) {
    assembly->Join(executor ? &*executor : nullptr, std::move(joined));
  }

  // The raylet is lost or wants this process to end. User code that waits in the runtime has been
  // woken by the runtime itself; a thread that serves tasks stops after its current one.
  void MustExit(const Error& why) {
    must_exit = why;
    if (executor) executor->Stop();
    if (on_must_exit) on_must_exit(why);
  }

  void CloseRuntime() {
    // Threads that wait inside get an error and leave. Those that come later are refused at the
    // door.
    if (runtime) runtime->Close(Error(ErrorCode::kCancelled, "this process has left its cluster"));
  }

  void FinishJob(const std::string& failure) {
    auto told = std::make_shared<std::promise<void>>();  // owners: this call, the callback
    loop.Enter([&] {
      CloseRuntime();
      // Without a raylet there is nobody to tell: whoever declared it dead has ended the job too.
      if (must_exit) return told->set_value();
      assembly->FinishJob(failure, [told] { told->set_value(); });
    });
    told->get_future().wait();  // ends: the call has its deadline
  }

  void Stop() {
    // The parts are stopped under the lock of the loop, while its thread still runs. Then that
    // ends.
    loop.Enter([this] {
      CloseRuntime();
      if (assembly) assembly->Stop();
    });
    loop.Stop();
    loop.Join();
  }

  ProcessOptions options;
  RealEventLoop loop;
  Random random;
  WorkerId id;
  EventLog log;
  Transports transports;
  std::unique_ptr<CoreWorkerAssembly> assembly;
  std::optional<core_worker::BlockingRuntime> runtime;
  std::optional<core_worker::ThreadExecutor> executor;
  std::function<void(const Error&)> on_must_exit;
  std::optional<Error> must_exit;
};

ProcessRuntime::ProcessRuntime(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ProcessRuntime::~ProcessRuntime() { impl_->Stop(); }
void ProcessRuntime::FinishJob(const std::string& failure) { impl_->FinishJob(failure); }
void ProcessRuntime::Stop() { impl_->Stop(); }

Result<std::unique_ptr<ProcessRuntime>> ProcessRuntime::Start(ProcessOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  Impl& process = *impl;
  std::promise<Result<void>> joined;
  std::future<Result<void>> outcome = joined.get_future();
  process.loop.Enter([&] {
    Result<void> built = process.Build();
    if (!built) return joined.set_value(std::move(built));
    process.Join([&](Result<void> result) { joined.set_value(std::move(result)); });
  });
  // The caller's thread waits here while the loop's thread talks to the raylet.
  process.loop.RunInThread();
  const bool is_in_time = outcome.wait_for(kJoinMax) == std::future_status::ready;
  process.loop.Enter([&] {
    if (!is_in_time) process.assembly->Stop();  // `joined` must not be reached after this call
  });
  Result<void> result =
      outcome.wait_for(Duration(0)) == std::future_status::ready
          ? outcome.get()
          : Fail(ErrorCode::kDeadlineExceeded, "the raylet at {} did not answer within {}",
                 process.options.raylet_endpoint, FormatTime(kJoinMax));
  // Also on failure: its destruction is what stops the loop and joins the thread.
  auto whole = std::unique_ptr<ProcessRuntime>(new ProcessRuntime(std::move(impl)));
  if (!result) return Fail(std::move(result.error()));
  return whole;
}

internal::Runtime& ProcessRuntime::runtime() { return *impl_->runtime; }
void ProcessRuntime::RunTasks() { impl_->executor->RunUntilStopped(); }
void ProcessRuntime::StopTasks() {
  impl_->loop.Enter([this] { impl_->executor->Stop(); });
}
void ProcessRuntime::OnMustExit(std::function<void(const Error&)> callback) {
  // The raylet may have been lost before anybody asked to be told.
  impl_->loop.Enter([&] {
    impl_->on_must_exit = std::move(callback);
    if (impl_->must_exit) impl_->on_must_exit(*impl_->must_exit);
  });
}

}  // namespace mobula::node
