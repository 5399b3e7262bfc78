#include "node/node.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <future>

#include "components/base/metrics.h"
#include "components/base/real/background_thread.h"
#include "components/base/real/event_loop.h"
#include "components/base/real/file_system.h"
#include "components/base/real/process_launcher.h"
#include "components/gcs/client.h"
#include "components/transport/rpc/client_pool.h"
#include "node/gcs_service.h"
#include "node/process/thread_launcher.h"
#include "node/process/zygote_launcher.h"
#include "node/session.h"
#include "node/wiring.h"

namespace mobula::node {
namespace {

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

}  // namespace

class Node::Impl {
 public:
  Impl(NodeConfig the_config, transport::Token the_token, LogSink the_sink)
      : config(std::move(the_config)),
        token(std::move(the_token)),
        sink(std::move(the_sink)),
        random(Random::EntropySeed()),
        id(random.NewId<NodeId>()),
        log(loop.clock(), id.Short(), config.log_level,
            [this](LogLevel level, std::string_view line) {
              if (sink) sink(level, line);
            }) {}

  Result<void> OpenSession() {
    endpoints.node_id = id;
    endpoints.node_address = config.address;
    Result<std::string> folder = MakeSession(files, id.Short());
    if (!folder) return Fail(std::move(folder.error()));
    endpoints.folder = *folder;
    if (!sink) {
      const std::string path = endpoints.folder + "/logs/node.log";
      log_fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
      if (log_fd < 0) return Fail(ErrorCode::kInternal, "cannot write {}", path);
      sink = FileDescriptorSink(log_fd);
    }
    return {};
  }

  /// Builds everything. \pre the state lock is held.
  Result<void> Build() {
    handshake->self.role = config.is_head ? "gcs" : "raylet";
    handshake->self.id = id.Hex();
    handshake->token = token;
    handshake->log = &log;
    Result<Transports> made = MakeTransports(loop, config.transport, random, handshake);
    if (!made) return Fail(std::move(made.error()));
    transports = std::move(*made);
    if (auto reach = CheckReach(*transports.local, config.worker_kind); !reach) return reach;
    Result<StoreParts> made_store = MakeStore(config.object_store);
    if (!made_store) return Fail(std::move(made_store.error()));
    store = std::move(*made_store);
    scheduler::NodeView local;
    local.id = id;
    local.total = local.available = config.raylet.resources;
    local.labels = {config.raylet.labels.begin(), config.raylet.labels.end()};
    Result<std::unique_ptr<scheduler::Scheduler>> made_scheduler =
        MakeScheduler(config.scheduler, std::move(local), random.Fork("scheduler"));
    if (!made_scheduler) return Fail(std::move(made_scheduler.error()));
    scheduler = std::move(*made_scheduler);
    if (config.is_head) return BuildHead();
    endpoints.head_address = config.head_address;
    return {};
  }

  /// The list of what only a head runs. A new service is one `Add` here.
  Result<void> BuildHead() {
    Result<std::unique_ptr<gcs::Storage>> storage =
        MakeStorage(config.gcs_storage, {loop, files, writer, endpoints.folder + "/gcs"});
    if (!storage) return Fail(std::move(storage.error()));
    gcs_service = &services.Add(std::make_unique<GcsService>(
        GcsService::Deps{loop, log, metrics, *transports.remote, random.Fork("gcs")},
        std::move(*storage), config.gcs,
        fmt::format("{}://{}:{}", transports.remote->Scheme(), config.address, config.gcs_port)));
    services.OnFailed([this](const Error& why) { MustExit(why); });
    return {};
  }

  void BuildRaylet() {
    peers.emplace(
        loop, [this](std::string_view endpoint) { return transports.For(endpoint); },
        random.Fork("peers"), rpc::ClientOptions());
    rpc::ClientOptions to_gcs;
    to_gcs.first_window = kStartMax;
    to_gcs.reconnect_window = config.gcs_reconnect_window;
    gcs_client.emplace(loop, *transports.remote,
                       fmt::format("{}://{}", transports.remote->Scheme(), endpoints.head_address),
                       random.Fork("gcs_client"), to_gcs);
    if (config.worker_kind == "thread") {
      launcher = std::make_unique<ThreadLauncher>(
          loop, ThreadLauncher::Settings{token, config.address, config.log_level,
                                         config.process_settings});
    } else {
      processes.emplace(loop);
      launcher = std::make_unique<ZygoteLauncher>(
          ZygoteLauncher::Deps{loop, *processes, files, log},
          ZygoteLauncher::Settings{token, config.address, endpoints.folder + "/logs",
                                   config.log_level, config.process_settings});
    }
    raylet::RayletConfig settings = config.raylet;
    settings.node_id = id;
    settings.is_head = config.is_head;
    settings.listen_endpoint =
        fmt::format("{}://{}:0", transports.remote->Scheme(), config.address);
    settings.local_listen_endpoint =
        LocalListenEndpoint(*transports.local, endpoints.folder, config.address);
    settings.host_name = HostName();
    settings.log_folder = endpoints.folder + "/logs";
    settings.program_folder =
        config.worker_kind == "thread" ? std::string() : endpoints.folder + "/programs";
    settings.pid = ::getpid();
    settings.process_settings = config.process_settings;
    settings.creates = store.creates;
    settings.pulls = store.pulls;
    raylet.emplace(raylet::Raylet::Deps{loop, *transports.remote, *transports.local, *peers,
                                        *gcs_client, *store.store, *scheduler, *launcher, files,
                                        log, metrics, random.Fork("raylet")},
                   settings);
  }

  /// The head's services first, then the raylet, which joins their GCS.
  /// \pre the state lock is held.
  void Begin(Done<std::string> done) {
    started = std::move(done);
    services.Start([this](Result<void> ready) {
      if (!ready) return Started(Fail(std::move(ready.error())));
      if (gcs_service != nullptr) {
        endpoints.head_address = gcs_service->endpoint().substr(std::string_view("tcp://").size());
      }
      BuildRaylet();
      raylet->OnMustExit([this](const Error& why) { MustExit(why); });
      raylet->Start([this](Result<std::string> endpoint) { Started(std::move(endpoint)); });
    });
  }

  void Started(Result<std::string> endpoint) {
    if (auto done = std::exchange(started, nullptr)) done(std::move(endpoint));
  }

  /// The node cannot go on. While it starts, `Start` returns the reason; later the owner of the
  /// node is told, now or when it asks.
  void MustExit(const Error& why) {
    if (must_exit) return;
    must_exit = why;
    log.Error("node", "must_exit", "reason=\"{}\"", why.ToString());
    Started(Fail(Error(why)));
    if (on_must_exit) on_must_exit(why);
  }

  void Stop(std::string reason) {
    if (std::exchange(is_stopped, true)) return;
    if (is_running) {
      std::promise<void> left;
      loop.Enter([&] {
        // A node that must end is fenced or has nobody to tell: it does not wait for an answer.
        if (raylet && has_joined && !must_exit) {
          raylet->Leave(std::move(reason), [&left] { left.set_value(); });
        } else {
          left.set_value();
        }
      });
      left.get_future().wait();
    }
    loop.Enter([this] {
      if (raylet) raylet->Stop();
      if (gcs_client) gcs_client->Stop();
      services.Stop();
      if (peers) peers->Stop();
    });
    loop.Stop();
    loop.Join();
    raylet.reset();
    launcher.reset();
    processes.reset();
    EndSession(files, endpoints.folder);
    if (log_fd >= 0) ::close(log_fd);
  }

  NodeConfig config;
  transport::Token token;
  LogSink sink;
  int log_fd = -1;
  RealFileSystem files;
  RealEventLoop loop;
  Random random;
  NodeId id;
  EventLog log;
  Metrics metrics;
  std::shared_ptr<transport::HandshakeConfig> handshake =
      std::make_shared<transport::HandshakeConfig>();
  Transports transports;
  StoreParts store;
  std::unique_ptr<scheduler::Scheduler> scheduler;
  RealBackgroundThread writer{loop};
  HeadServices services;              // empty unless this is the head
  GcsService* gcs_service = nullptr;  // the one of `services`
  std::optional<rpc::ClientPool> peers;
  std::optional<gcs::GcsClient> gcs_client;
  std::optional<RealProcessLauncher> processes;
  std::unique_ptr<raylet::WorkerLauncher> launcher;
  std::optional<raylet::Raylet> raylet;
  NodeEndpoints endpoints;
  Done<std::string> started;  // of `Start`, until it was called
  std::function<void(const Error&)> on_must_exit;
  std::optional<Error> must_exit;  // why, once it must
  bool is_running = false;
  bool has_joined = false;
  bool is_stopped = false;
};

Node::Node(NodeConfig config, transport::Token token, LogSink log_sink)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(token), std::move(log_sink))) {}
Node::~Node() { Stop("the node is destroyed"); }

Result<NodeEndpoints> Node::Start() {
  if (Result<void> open = impl_->OpenSession(); !open) return Fail(std::move(open.error()));
  std::promise<Result<std::string>> started;
  std::future<Result<std::string>> outcome = started.get_future();
  impl_->loop.Enter([&] {
    Result<void> built = impl_->Build();
    if (!built) return started.set_value(Fail(std::move(built.error())));
    impl_->Begin([&](Result<std::string> endpoint) { started.set_value(std::move(endpoint)); });
  });
  impl_->loop.RunInThread();
  impl_->is_running = true;
  Result<std::string> endpoint = outcome.get();  // ends: every step below has its own deadline
  if (!endpoint) return Fail(std::move(endpoint.error()));
  impl_->has_joined = true;
  impl_->endpoints.endpoint = *endpoint;
  impl_->loop.Enter([&] { impl_->endpoints.local_endpoint = impl_->raylet->local_endpoint(); });
  return impl_->endpoints;
}

void Node::OnMustExit(std::function<void(const Error&)> callback) {
  impl_->loop.Enter([&] {
    impl_->on_must_exit = std::move(callback);
    if (impl_->must_exit && impl_->on_must_exit) impl_->on_must_exit(*impl_->must_exit);
  });
}

void Node::Stop(std::string reason) { impl_->Stop(std::move(reason)); }

raylet::Raylet::Census Node::Count() {
  raylet::Raylet::Census census;
  impl_->loop.Enter([&] { census = impl_->raylet->Count(); });
  return census;
}

}  // namespace mobula::node
