#include "node/process/core_process.h"

#include <unistd.h>

#include <future>

#include "components/base/real/event_loop.h"
#include "components/base/task_group.h"
#include "components/core_worker/core_worker.h"
#include "components/core_worker/runtime/blocking_runtime.h"
#include "components/core_worker/runtime/thread_executor.h"
#include "components/object_store/attach.h"
#include "components/protocol/raylet_methods.h"
#include "components/raylet/worker_launcher.h"
#include "components/transport/rpc/client_pool.h"
#include "components/transport/rpc/server.h"
#include "node/wiring.h"

namespace mobula::node {

using core_worker::CoreWorker;
using protocol::Address;

class CoreProcess::Impl {
 public:
  explicit Impl(CoreProcessOptions the_options)
      : options(std::move(the_options)),
        random(Random::EntropySeed()),
        id(options.is_driver ? random.NewId<WorkerId>() : options.startup_id),
        log(loop.clock(), options.is_driver ? "driver" : "worker", options.log_level,
            FileDescriptorSink(STDERR_FILENO)) {}

  /// Builds the parts. \pre the state lock is held.
  Result<void> Build() {
    auto handshake = std::make_shared<transport::HandshakeConfig>();
    handshake->self.role = options.is_driver ? "driver" : "worker";
    handshake->self.id = id.Hex();
    handshake->token = options.token;
    handshake->log = &log;
    Result<Transports> made = MakeTransports(loop, TransportConfig(), random, std::move(handshake));
    if (!made) return Fail(std::move(made.error()));
    transports = std::move(*made);
    peers.emplace(
        loop, [this](std::string_view endpoint) { return transports.For(endpoint); },
        random.Fork("peers"), rpc::ClientOptions(), &services);
    transport::Transport* local = transports.For(options.raylet_endpoint);
    if (local == nullptr) {
      return Fail(ErrorCode::kInvalidArgument, "the raylet's endpoint '{}' is of no known kind",
                  options.raylet_endpoint);
    }
    raylet.emplace(loop, *local, options.raylet_endpoint, random.Fork("raylet"),
                   rpc::ClientOptions(), &services);
    core.emplace(CoreWorker::Deps{loop, *peers, *raylet, log, random.Fork("core")},
                 core_worker::CoreWorkerConfig());
    core->AddHandlers(services);
    server.emplace(loop, services);
    server->OnPeer([](rpc::Peer&) {},
                   [this](rpc::Peer& peer, const Error& why) { core->OnPeerClosed(peer, why); });
    runtime.emplace(*core, loop);
    if (!options.is_driver) executor.emplace(*core, loop, *runtime);
    core->OnMustExit([this](const Error& why) { MustExit(why); });
    return {};
  }

  Result<void> Listen() {
    Result<std::string> local =
        server->Listen(*transports.For(options.raylet_endpoint),
                       raylet::LocalEndpointOf(id, options.raylet_endpoint));
    if (!local) return Fail(std::move(local.error()));
    Result<std::string> remote =
        server->Listen(*transports.For("tcp://"), fmt::format("tcp://{}:0", options.node_address));
    if (!remote) return Fail(std::move(remote.error()));
    address.set_worker_id(std::string(id.Binary()));
    address.set_endpoint(*remote);
    address.set_local_endpoint(*local);
    address.set_pid(::getpid());
    return {};
  }

  /// Registers last: from the reply on, owners may push tasks.
  Task<void> Join() {
    Result<std::unique_ptr<object_store::StoreClient>> store =
        co_await AwaitCallback<std::unique_ptr<object_store::StoreClient>>(
            [this](auto done) { object_store::AttachStore(loop, *raylet, std::move(done)); });
    if (!store) co_return Fail(std::move(store.error()).Context("attaching to the object store"));
    protocol::RegisterWorkerRequest request;
    *request.mutable_address() = address;
    request.set_is_driver(options.is_driver);
    request.set_job_id(std::string(options.job.Binary()));
    request.set_startup_id(std::string(options.startup_id.Binary()));
    *request.mutable_program() = options.program;
    Result<protocol::RegisterWorkerReply> reply =
        co_await raylet->CallAsync(protocol::kRegisterWorker, request);
    if (!reply) co_return Fail(std::move(reply.error()).Context("registering with the raylet"));
    address.set_node_id(reply->node_id());
    core->config().inline_bytes_max = reply->inline_bytes_max();
    core->Start(address, JobId::FromBinaryOrNil(reply->job_id()), options.program,
                reply->raylet_endpoint(), std::move(*store), executor ? &*executor : nullptr);
    co_return {};
  }

  void MustExit(const Error& why) {
    must_exit = why;
    if (executor) executor->Stop();
    if (on_must_exit) on_must_exit(why);
  }

  void CloseRuntime() {
    if (runtime) runtime->Close(Error(ErrorCode::kCancelled, "this process has left its cluster"));
  }

  void FinishJob(const std::string& failure) {
    auto told = std::make_shared<std::promise<void>>();  // owners: this call, the callback
    loop.Enter([&] {
      CloseRuntime();
      if (must_exit) return told->set_value();
      protocol::EndJobRequest request;
      request.set_job_id(std::string(core->job().Binary()));
      request.set_failure(failure);
      raylet->Call(protocol::kEndJob, request, [told](const auto&) { told->set_value(); });
    });
    told->get_future().wait();  // ends: the call has its deadline
  }

  void Stop() {
    loop.Enter([this] {
      tasks.Stop();
      CloseRuntime();
      if (server) server->Stop();
      if (core) core->Stop();
      if (peers) peers->Stop();
      if (raylet) raylet->Stop();
    });
    loop.Stop();
    loop.Join();
  }

  CoreProcessOptions options;
  RealEventLoop loop;
  Random random;
  WorkerId id;
  EventLog log;
  Transports transports;
  rpc::ServiceTable services;
  std::optional<rpc::ClientPool> peers;
  std::optional<rpc::Client> raylet;
  std::optional<CoreWorker> core;
  std::optional<rpc::Server> server;
  std::optional<core_worker::BlockingRuntime> runtime;
  std::optional<core_worker::ThreadExecutor> executor;
  Address address;
  std::function<void(const Error&)> on_must_exit;
  std::optional<Error> must_exit;
  TaskGroup tasks;
};

CoreProcess::CoreProcess(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CoreProcess::~CoreProcess() { impl_->Stop(); }
void CoreProcess::FinishJob(const std::string& failure) { impl_->FinishJob(failure); }
void CoreProcess::Stop() { impl_->Stop(); }

Result<std::unique_ptr<CoreProcess>> CoreProcess::Start(CoreProcessOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  Impl& process = *impl;
  std::promise<Result<void>> joined;
  std::future<Result<void>> outcome = joined.get_future();
  process.loop.Enter([&] {
    Result<void> ready = process.Build();
    if (ready) ready = process.Listen();
    if (!ready) return joined.set_value(std::move(ready));
    process.tasks.Spawn<void>(process.Join(),
                              [&](Result<void> result) { joined.set_value(std::move(result)); });
  });
  process.loop.RunInThread();
  const bool is_in_time = outcome.wait_for(kJoinMax) == std::future_status::ready;
  process.loop.Enter([&] {
    if (!is_in_time) process.tasks.Stop();  // `joined` must not be reached after this call
  });
  Result<void> result =
      outcome.wait_for(Duration(0)) == std::future_status::ready
          ? outcome.get()
          : Fail(ErrorCode::kDeadlineExceeded, "the raylet at {} did not answer within {}",
                 process.options.raylet_endpoint, FormatTime(kJoinMax));
  auto whole = std::unique_ptr<CoreProcess>(new CoreProcess(std::move(impl)));
  if (!result) return Fail(std::move(result.error()));
  return whole;
}

internal::Runtime& CoreProcess::runtime() { return *impl_->runtime; }
void CoreProcess::RunTasks() { impl_->executor->RunUntilStopped(); }
void CoreProcess::StopTasks() {
  impl_->loop.Enter([this] { impl_->executor->Stop(); });
}
void CoreProcess::OnMustExit(std::function<void(const Error&)> callback) {
  impl_->loop.Enter([&] {
    impl_->on_must_exit = std::move(callback);
    if (impl_->must_exit) impl_->on_must_exit(*impl_->must_exit);
  });
}

}  // namespace mobula::node
