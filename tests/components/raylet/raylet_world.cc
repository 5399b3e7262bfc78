#include "tests/components/raylet/raylet_world.h"

#include <gtest/gtest.h>

#include <csignal>

#include "components/protocol/convert.h"
#include "components/protocol/gcs_convert.h"
#include "components/protocol/raylet_methods.h"
#include "node/wiring.h"

namespace mobula::raylet::testing {

using protocol::RequestLeaseReply;

// ---- Process ----

Process::Process(World& the_world, const NodeId& node) : world(the_world) {
  address.set_worker_id(std::string(world.random.NewId<WorkerId>().Binary()));
  address.set_node_id(std::string(node.Binary()));
  services.Handle(protocol::kReclaimLeases,
                  [this](const protocol::ReclaimLeasesRequest& request, const rpc::CallContext&,
                         const rpc::Respond<protocol::NoReply>&) { reclaims.push_back(request); });
  Reconnect();
}

Result<protocol::RegisterWorkerReply> Process::Register(bool is_driver, const JobId& job,
                                                        const WorkerId& startup) {
  protocol::RegisterWorkerRequest request;
  *request.mutable_address() = address;
  request.set_is_driver(is_driver);
  request.set_job_id(std::string(job.Binary()));
  request.set_startup_id(std::string(startup.Binary()));
  std::optional<Result<protocol::RegisterWorkerReply>> answer;
  client->Call(protocol::kRegisterWorker, request,
               [&](Result<protocol::RegisterWorkerReply> reply) { answer = std::move(reply); });
  EXPECT_TRUE(world.loop.RunUntil([&] { return answer.has_value(); }, std::chrono::seconds(40)))
      << "the raylet does not answer RegisterWorker";
  return *answer;
}

std::shared_ptr<Process::Answer> Process::RequestLease(const JobId& job,
                                                       const ResourceSet& resources) {
  return RequestLease(job, resources, protocol::ToMessage(SchedulingStrategy()));
}

std::shared_ptr<Process::Answer> Process::RequestLease(
    const JobId& job, const ResourceSet& resources, const protocol::SchedulingStrategy& strategy) {
  protocol::RequestLeaseRequest request;
  request.set_request_id(std::string(world.random.NewId<LeaseId>().Binary()));
  *request.mutable_owner() = address;
  request.set_job_id(std::string(job.Binary()));
  *request.mutable_resources() = protocol::ToProto(resources);
  *request.mutable_strategy() = strategy;
  auto answer = std::make_shared<Answer>();
  client->Call(protocol::kRequestLease, request,
               [answer](Result<RequestLeaseReply> reply) { *answer = std::move(reply); });
  return answer;
}

void Process::SetBlocked(bool blocked) {
  protocol::SetBlockedRequest request;
  request.set_blocked(blocked);
  client->Notify(protocol::kSetBlocked, request);
}

void Process::Reconnect() {
  client.reset();
  client.emplace(world.loop, *world.transport, std::string(World::kLocal),
                 world.random.Fork(id().Hex()), rpc::ClientOptions(), &services);
  client->Connect();
}

// ---- Launcher ----

void Launcher::Start(WorkerSpec spec, std::move_only_function<void(Result<std::int64_t>)> started,
                     OnExit on_exit) {
  ++start_count;
  last_started = spec.startup_id;
  if (starts == Starts::kSilent) {
    silent_.push_back({std::move(spec), std::move(started), std::move(on_exit)});
    return;
  }
  const std::int64_t pid = ++last_pid_;
  alive[pid] = {.job = spec.job,
                .on_exit = std::move(on_exit),
                .log_path = spec.log_path,
                .startup_id = spec.startup_id,
                .process = nullptr};
  world_.loop.Post(bound_.Bind([this, pid, spec = std::move(spec), started = std::move(started),
                                registers = starts == Starts::kRegister]() mutable {
    started(pid);
    const auto it = alive.find(pid);
    if (it == alive.end() || !registers) return;
    it->second.process = std::make_unique<Process>(world_, world_.config.node_id);
    Process& process = *it->second.process;
    process.address.set_pid(pid);
    protocol::RegisterWorkerRequest request;
    *request.mutable_address() = process.address;
    request.set_job_id(std::string(spec.job.Binary()));
    request.set_startup_id(std::string(spec.startup_id.Binary()));
    process.client->Call(protocol::kRegisterWorker, request, [](const auto&) {});
  }));
}

void Launcher::Kill(std::int64_t pid) {
  auto worker = alive.extract(pid);
  if (worker.empty()) return;
  world_.loop.Post(bound_.Bind([dead = std::move(worker.mapped())]() mutable {
    dead.process.reset();
    dead.on_exit({.code = 0, .signal = SIGKILL});
  }));
}

void Launcher::EndJob(const JobId& job) {
  std::vector<std::int64_t> ending;
  for (const auto& [pid, worker] : alive) {
    if (worker.job == job) ending.push_back(pid);
  }
  for (const std::int64_t pid : ending) Kill(pid);
}

void Launcher::Wake() {
  starts = Starts::kRegister;
  for (Silent& one : std::exchange(silent_, {})) {
    Start(std::move(one.spec), std::move(one.started), std::move(one.on_exit));
  }
}

void Launcher::Die() {
  for (Silent& one : std::exchange(silent_, {})) {
    one.started(Fail(ErrorCode::kInternal, "the zygote died"));
  }
}

// ---- World ----

World::World(ResourceSet resources)
    : transport(transport::MakeInprocessTransport(loop)),
      log(loop.clock(), "n0", LogLevel::kDebug,
          [this](LogLevel, std::string_view line) { loop.Mix(line); }),
      launcher(*this) {
  gcs_service.emplace(node::GcsService::Deps{loop, log, metrics, *transport, random.Fork("gcs")},
                      *node::MakeStorage(ConfigValue(), {loop, files, writer, "/gcs"}),
                      gcs::ServerConfig(), std::string(kGcs));
  gcs_service->Start([](Result<void> ready) { EXPECT_TRUE(ready.has_value()); });
  loop.RunFor(std::chrono::milliseconds(1));
  gcs.emplace(loop, *transport, std::string(kGcs), random.Fork("looks"), rpc::ClientOptions());
  config.resources = std::move(resources);
  config.listen_endpoint = "inproc://raylet";
  config.local_listen_endpoint = kLocal;
  config.worker_start_timeout = std::chrono::seconds(2);
  Restart();
}

void World::Restart() {
  node.reset();
  config.node_id = random.NewId<NodeId>();
  NodeOptions options;
  options.raylet = config;
  options.object_store = ConfigValue(ConfigValue::Map{{"kind", ConfigValue("heap")}});
  options.to_gcs.reconnect_window = std::chrono::seconds(60);
  node = *Assemble(std::move(options));
  bool has_joined = false;
  node->Start([&](const Result<void>& joined) { has_joined = joined.has_value(); });
  EXPECT_TRUE(loop.RunUntil([&] { return has_joined; }, std::chrono::seconds(1)))
      << "the raylet has not joined its GCS";
}

Result<std::unique_ptr<NodeAssembly>> World::Assemble(NodeOptions options) {
  return NodeAssembly::Make({.host = {loop, files, log, metrics, random},
                             .cluster_transport = *transport,
                             .local_transport = *transport,
                             .transport_for = [this](std::string_view) { return transport.get(); },
                             .launcher = launcher,
                             .gcs_endpoint = [] { return std::string(kGcs); }},
                            std::move(options));
}

World::~World() {
  node->raylet()->CheckInvariants();
  node->Stop();
  gcs->Stop();
  gcs_service->Stop();
}

std::unique_ptr<Process> World::AddDriver(JobId& job) {
  auto driver = std::make_unique<Process>(*this, config.node_id);
  const auto reply = driver->Register(true, JobId(), WorkerId());
  EXPECT_TRUE(reply.has_value());
  job = JobId::FromBinaryOrNil(reply->job_id());
  return driver;
}

std::unique_ptr<Process> World::AddStranger(const NodeId& node) {
  return std::make_unique<Process>(*this, node);
}

namespace {

protocol::NodeInfo InfoOf(const ResourceSet& total, const ResourceSet& available) {
  protocol::NodeInfo info;
  info.set_state(protocol::ALIVE);
  info.set_endpoint("inproc://elsewhere");
  *info.mutable_total() = protocol::ToProto(total);
  *info.mutable_available() = protocol::ToProto(available);
  return info;
}

}  // namespace

std::unique_ptr<gcs::GcsClient> World::AddNode(const NodeId& node, const ResourceSet& resources) {
  return AddBusyNode(node, resources, resources);
}

std::unique_ptr<gcs::GcsClient> World::AddBusyNode(const NodeId& node, const ResourceSet& total,
                                                   const ResourceSet& available) {
  auto client = std::make_unique<gcs::GcsClient>(loop, *transport, std::string(kGcs),
                                                 random.Fork(node.Hex()), rpc::ClientOptions());
  protocol::NodeInfo info = InfoOf(total, available);
  info.set_node_id(std::string(node.Binary()));
  client->RegisterNode(info, [](const auto& reply) { EXPECT_TRUE(reply.has_value()); }, [] {});
  RunFor(std::chrono::milliseconds(100));
  return client;
}

void World::Report(gcs::GcsClient& client, const ResourceSet& total, const ResourceSet& available) {
  const protocol::NodeInfo info = InfoOf(total, available);
  client.Heartbeat(&info);
}

RequestLeaseReply World::Granted(const std::shared_ptr<Process::Answer>& answer) {
  EXPECT_TRUE(loop.RunUntil([&] { return answer->has_value(); }, std::chrono::seconds(10)))
      << "the lease request is still pending";
  if (!answer->has_value()) return {};
  EXPECT_TRUE((*answer)->has_value()) << (*answer)->error().ToString();
  return (*answer)->value_or(RequestLeaseReply());
}

Process& World::WorkerOf(const protocol::Grant& grant) {
  for (const auto& [pid, worker] : launcher.alive) {
    if (worker.process && worker.process->address.worker_id() == grant.worker().worker_id()) {
      return *worker.process;
    }
  }
  ADD_FAILURE() << "the lease names no worker";
  std::abort();
}

}  // namespace mobula::raylet::testing
