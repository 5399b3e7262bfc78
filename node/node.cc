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

/// The life of a node, told in the order in which it happens.
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

  // ---- It starts ----

  /// Everything is built before the loop runs, so a wrong configuration ends in an error here and
  /// has started nothing. Then the loop's thread takes over, and this one waits for its answer.
  Result<NodeEndpoints> Start() {
    if (Result<void> open = OpenSession(); !open) return Fail(std::move(open.error()));
    std::promise<Result<void>> joined;
    loop.Enter([&] {
      if (Result<void> built = Build(); !built) return joined.set_value(std::move(built));
      node->Start([&joined](Result<void> outcome) { joined.set_value(std::move(outcome)); });
    });
    loop.RunInThread();
    is_running = true;
    // This wait ends: the services answer, and the GCS must do so within `kStartMax`.
    if (Result<void> outcome = joined.get_future().get(); !outcome) {
      return Fail(std::move(outcome.error()));
    }
    loop.Enter([this] { ReadEndpoints(); });
    return endpoints;
  }

  /// The session comes first: the sockets, the log and the fetched programs all lie in its folder,
  /// and its record lets the next node sweep up should this one be killed.
  Result<void> OpenSession() {
    endpoints.node_id = id;
    endpoints.node_address = config.address;
    Result<std::string> folder = MakeSession(files, id.Short());
    if (!folder) return Fail(std::move(folder.error()));
    endpoints.folder = *folder;
    if (sink) return {};
    const std::string path = endpoints.folder + "/logs/node.log";
    log_fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) return Fail(ErrorCode::kInternal, "cannot write {}", path);
    sink = FileDescriptorSink(log_fd);
    return {};
  }

  /// \pre the state lock is held.
  Result<void> Build() {
    if (Result<void> made = OpenTransports(); !made) return made;
    MakeLauncher();
    if (Result<void> made = Assemble(); !made) return made;
    return config.is_head ? AddHeadServices() : Result<void>();
  }

  /// How this node listens and is reached. Each connection begins with a handshake, in which both
  /// ends prove that they know the cluster's token.
  Result<void> OpenTransports() {
    handshake->self.role = config.is_head ? "gcs" : "raylet";
    handshake->self.id = id.Hex();
    handshake->token = token;
    handshake->log = &log;
    Result<Transports> made = MakeTransports(loop, config.transport, random, handshake);
    if (!made) return Fail(std::move(made.error()));
    transports = std::move(*made);
    return CheckReach(*transports.local, config.worker_kind);
  }

  /// How its workers will come to be: as threads of this process, which a debugger can step into,
  /// or as processes, which can die without taking the node along.
  void MakeLauncher() {
    if (config.worker_kind == "thread") {
      launcher = std::make_unique<ThreadLauncher>(
          loop, ThreadLauncher::Settings{token, config.address, config.log_level,
                                         config.process_settings});
      return;
    }
    processes.emplace(loop);
    launcher = std::make_unique<ZygoteLauncher>(
        ZygoteLauncher::Deps{loop, *processes, files, log},
        ZygoteLauncher::Settings{token, config.address, endpoints.folder + "/logs",
                                 config.log_level, config.process_settings});
  }

  /// The node itself, put together as the simulator's and the tests' are.
  Result<void> Assemble() {
    raylet::NodeOptions options{.raylet = RayletSettings(),
                                .object_store = config.object_store,
                                .scheduler = config.scheduler,
                                .to_gcs = {}};
    options.to_gcs.first_window = kStartMax;
    options.to_gcs.reconnect_window = config.gcs_reconnect_window;
    Result<std::unique_ptr<raylet::NodeAssembly>> made = raylet::NodeAssembly::Make(
        {.host = {loop, files, log, metrics, random},
         .cluster_transport = *transports.remote,
         .local_transport = *transports.local,
         .transport_for = [this](std::string_view endpoint) { return transports.For(endpoint); },
         .launcher = *launcher,
         .gcs_endpoint = [this] { return GcsEndpoint(); }},
        std::move(options));
    if (!made) return Fail(std::move(made.error()));
    node = std::move(*made);
    return {};
  }

  /// What the configuration could not know: who this node is, and where its session lies.
  [[nodiscard]] raylet::RayletConfig RayletSettings() const {
    raylet::RayletConfig settings = config.raylet;
    settings.node_id = id;
    settings.is_head = config.is_head;
    settings.host_name = HostName();
    settings.pid = ::getpid();
    settings.process_settings = config.process_settings;
    settings.listen_endpoint = RemoteEndpoint(config.address + ":0");
    settings.local_listen_endpoint =
        LocalListenEndpoint(*transports.local, endpoints.folder, config.address);
    settings.log_folder = endpoints.folder + "/logs";
    // Workers that are threads share this very program, so there is nothing to fetch.
    if (config.worker_kind != "thread") settings.program_folder = endpoints.folder + "/programs";
    return settings;
  }

  /// What only a head runs. A new service is one `Add` here; it may rely on those above it.
  Result<void> AddHeadServices() {
    Result<std::unique_ptr<gcs::Storage>> storage =
        MakeStorage(config.gcs_storage, {loop, files, writer, endpoints.folder + "/gcs"});
    if (!storage) return Fail(std::move(storage.error()));
    gcs_service = &node->services().Add(std::make_unique<GcsService>(
        GcsService::Deps{loop, log, metrics, *transports.remote, random.Fork("gcs")},
        std::move(*storage), config.gcs,
        RemoteEndpoint(fmt::format("{}:{}", config.address, config.gcs_port))));
    return {};
  }

  // ---- It runs, on the loop's thread; here are the questions that others ask meanwhile ----

  [[nodiscard]] std::string RemoteEndpoint(const std::string& address) const {
    return fmt::format("{}://{}", transports.remote->Scheme(), address);
  }

  /// A head asks its own service, which may have been told to take any port. A worker was told.
  [[nodiscard]] std::string GcsEndpoint() const {
    return gcs_service != nullptr ? gcs_service->endpoint() : RemoteEndpoint(config.head_address);
  }

  void ReadEndpoints() {
    const std::string scheme_only = RemoteEndpoint("");
    endpoints.head_address = GcsEndpoint().substr(scheme_only.size());
    endpoints.endpoint = node->raylet()->endpoint();
    endpoints.local_endpoint = node->raylet()->local_endpoint();
  }

  // ---- It ends ----

  void Stop(std::string reason) {
    if (std::exchange(is_stopped, true)) return;
    // The goodbye needs a running loop. It ends within a second even if the GCS does not answer.
    if (is_running && node) {
      std::promise<void> left;
      loop.Enter([&] { node->Leave(std::move(reason), [&left] { left.set_value(); }); });
      left.get_future().wait();
    }
    // All is stopped while nothing of it runs; then the loop ends, and nothing of it will.
    loop.Enter([this] {
      if (node) node->Stop();
    });
    loop.Stop();
    loop.Join();
    // Workers whose raylet is gone end with their launcher, before the folder that they write to.
    node.reset();
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
  RealBackgroundThread writer{loop};  // of the GCS's storage
  std::optional<RealProcessLauncher> processes;
  std::unique_ptr<raylet::WorkerLauncher> launcher;
  std::unique_ptr<raylet::NodeAssembly> node;
  GcsService* gcs_service = nullptr;  // the one of the head's services; null elsewhere
  NodeEndpoints endpoints;
  bool is_running = false;
  bool is_stopped = false;
};

Node::Node(NodeConfig config, transport::Token token, LogSink log_sink)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(token), std::move(log_sink))) {}
Node::~Node() { Stop("the node is destroyed"); }

Result<NodeEndpoints> Node::Start() { return impl_->Start(); }

void Node::OnMustExit(std::function<void(const Error&)> callback) {
  impl_->loop.Enter([&] { impl_->node->OnMustExit(std::move(callback)); });
}

void Node::Stop(std::string reason) { impl_->Stop(std::move(reason)); }

raylet::Raylet::Census Node::Count() {
  raylet::Raylet::Census census;
  impl_->loop.Enter([&] { census = impl_->node->raylet()->Count(); });
  return census;
}

}  // namespace mobula::node
