// mobula::Init and Shutdown: what a program's part in a cluster is made of.

#include "mobula/init.h"

#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <mutex>

#include "components/base/random.h"
#include "components/base/real/file_system.h"
#include "components/protocol/gcs.pb.h"
#include "mobula/errors.h"
#include "mobula/internal/runtime.h"
#include "node/node.h"
#include "node/process/cluster_connection.h"
#include "node/process/process_runtime.h"
#include "node/process/program.h"
#include "node/process/zygote.h"
#include "node/session.h"

namespace mobula {
namespace {

using namespace node;  // NOLINT(google-build-using-namespace): this file is node's face to users

/// Everything that `Init` started, in the order in which it was.
struct Session {
  std::vector<std::unique_ptr<Node>> nodes;  // of a local or embedded cluster, the head first
  std::shared_ptr<ProcessRuntime> driver;    // owners: this, threads inside calls of its runtime
  ~Session() {
    // New calls are refused first, and those that wait inside are sent away with an error. Only
    // then may the nodes go that they were talking to.
    internal::SetProcessRuntime(nullptr);
    if (driver) driver->Stop();
    while (!nodes.empty()) nodes.pop_back();  // the head last
  }
};

// One process, one part in one cluster: guarded by a mutex, made by Init, ended by Shutdown.
std::mutex session_mutex;
std::unique_ptr<Session>& CurrentSession() {
  static std::unique_ptr<Session> session;
  return session;
}

template <typename T>
T OrThrow(Result<T> result) {
  if (!result) Throw(result.error());
  return std::move(*result);
}

LogLevel LevelOf(const InitOptions& options, std::string_view usual) {
  const std::string_view name = options.log_level.empty() ? usual : options.log_level;
  Result<LogLevel> level = ParseLogLevel(name);
  if (!level) Throw(std::move(level.error()).Context("log_level"));
  return *level;
}

/// Serves tasks in a process that a zygote forked. Ends the process.
/// \param own what this process really runs: the file may have changed since the job began.
[[noreturn]] void ServeTasks(const ForkRequest& request, const protocol::Program& own) {
  ProcessOptions options;
  options.raylet_endpoint = request.raylet_endpoint();
  options.node_address = request.node_address();
  options.token = transport::Token(request.token());
  options.program.set_hash(own.hash());
  options.program.set_build(own.hash() == request.program_hash() ? request.program_build()
                                                                 : own.build());
  options.job = JobId::FromBinaryOrNil(request.job_id());
  options.startup_id = WorkerId::FromBinaryOrNil(request.startup_id());
  options.log_level = static_cast<LogLevel>(request.log_level());
  options.settings = request.settings();
  // Its standard error is its log, whose end the raylet shows to those who wait for a worker.
  Result<std::unique_ptr<ProcessRuntime>> process = ProcessRuntime::Start(std::move(options));
  if (!process) {
    fmt::print(stderr, "mobula worker: cannot join: {}\n", process.error().message());
    ::_exit(1);
  }
  // Never destroyed: user code may call exit() on this thread, with the loop still running.
  ProcessRuntime* const worker = process->release();
  internal::SetProcessRuntime(&worker->runtime());
  worker->RunTasks();
  ::_exit(0);
}

NodeConfig ClusterConfig(const InitOptions& options, bool is_embedded) {
  NodeConfig config;
  config.is_head = true;
  config.gcs_port = 0;  // any free one: several such clusters may run on this machine
  config.log_level = LevelOf(options, "info");
  config.raylet.resources = MachineResources();
  if (options.num_cpus > 0) config.raylet.resources.Set(kCpu, Amount::FromDouble(options.num_cpus));
  ConfigValue::Map store;
  store.emplace("kind", ConfigValue(std::string(is_embedded ? "heap" : "shared_memory")));
  if (options.object_store_bytes > 0) {
    store.emplace("capacity", ConfigValue(std::to_string(options.object_store_bytes)));
  }
  config.object_store = ConfigValue(std::move(store));
  // Threads share all memory anyway, and a debugger should find nothing but this one process.
  if (is_embedded) config.worker_kind = "thread";
  return config;
}

/// Starts the nodes of a cluster that lives and dies with this program.
NodeEndpoints StartCluster(Session& session, const InitOptions& options,
                           const transport::Token& token) {
  const bool is_embedded = options.mode == Mode::kEmbedded;
  NodeConfig config = ClusterConfig(options, is_embedded);
  session.nodes.push_back(std::make_unique<Node>(config, token, LogSink()));
  NodeEndpoints head = OrThrow(session.nodes.back()->Start());
  // The other nodes join as nodes of other machines would, over the network.
  config.is_head = false;
  config.head_address = head.head_address;
  for (int i = 1; i < options.num_nodes; ++i) {
    session.nodes.push_back(std::make_unique<Node>(config, token, LogSink()));
    (void)OrThrow(session.nodes.back()->Start());
  }
  return head;
}

ProcessOptions JoinCluster(const std::string& address, const transport::Token& token) {
  // The head knows which nodes there are. The driver belongs to the one on its own machine, whose
  // file also says how its processes talk to each other.
  ClusterConnection cluster(address, token, "driver");
  const std::vector<protocol::NodeInfo> nodes = OrThrow(cluster.Nodes());
  const protocol::NodeInfo local = OrThrow(FindLocalNode(nodes, address));
  ProcessOptions driver;
  driver.raylet_endpoint = local.local_endpoint();
  driver.node_address = HostOf(local.endpoint());
  driver.settings = local.process_settings();
  driver.token = token;
  return driver;
}

void StartSession(InitOptions options) {
  // What the program says itself counts more than its surroundings.
  const char* const variable = std::getenv("MOBULA_ADDRESS");
  if (options.mode == Mode::kAuto && options.address.empty() && variable != nullptr) {
    options.address = variable;
  }
  auto session = std::make_unique<Session>();
  ProcessOptions driver;
  if (options.mode == Mode::kAuto && !options.address.empty()) {
    RealFileSystem files;
    driver = JoinCluster(options.address, OrThrow(FindToken(files, options.token_file)));
  } else {
    // A cluster of this program alone has a secret that is never written anywhere, so no other
    // process of the machine can join it.
    Random random(Random::EntropySeed());
    const transport::Token token(random.NewId<ClusterId>().Hex() +
                                 Random(Random::EntropySeed()).NewId<ClusterId>().Hex());
    const NodeEndpoints head = StartCluster(*session, options, token);
    driver.raylet_endpoint = head.local_endpoint;
    driver.node_address = head.node_address;
    driver.token = token;
  }
  driver.is_driver = true;
  driver.log_level = LevelOf(options, "error");
  driver.program = OrThrow(ThisProgram());
  session->driver = OrThrow(ProcessRuntime::Start(std::move(driver)));
  internal::SetProcessRuntime(&session->driver->runtime(), session->driver);
  CurrentSession() = std::move(session);
}

void LeaveCluster(const std::string& failure) {
  const std::lock_guard lock(session_mutex);
  if (CurrentSession()) CurrentSession()->driver->FinishJob(failure);
  CurrentSession().reset();
}

}  // namespace

void Init(InitOptions options) {
  // A raylet has started this program to fork workers from it. `RunZygote` returns in the workers
  // only; the program's own `main` never gets beyond this line.
  if (IsZygote()) {
    const protocol::Program own = OrThrow(ThisProgram());
    ServeTasks(RunZygote(), own);
  }
  const std::lock_guard lock(session_mutex);
  if (CurrentSession()) {
    Throw(Error(ErrorCode::kInvalidArgument,
                "Init was called twice; call Shutdown before the second one"));
  }
  StartSession(std::move(options));
  // A program that ends without `Shutdown` still says how it ended. What cannot be told from
  // inside, such as a signal, the raylet notices by the lost connection.
  static const int registered = ::on_exit(
      [](int status, void*) {
        LeaveCluster(status == 0 ? "" : fmt::format("the driver ended with exit code {}", status));
      },
      nullptr);
  (void)registered;
}

void Init(int, char**, InitOptions options) { Init(std::move(options)); }

void Shutdown() { LeaveCluster(""); }

bool IsInitialized() { return internal::CurrentRuntime() != nullptr; }

}  // namespace mobula
