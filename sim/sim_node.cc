#include "sim/sim_node.h"

#include "node/config.h"
#include "node/wiring.h"

namespace mobula::sim {

SimulatedNode::SimulatedNode(World& world, std::string host, bool is_head, ResourceSet resources)
    : world_(world),
      host_(std::move(host)),
      process_(host_ + ".node"),
      is_head_(is_head),
      resources_(std::move(resources)),
      loop_(world.loop),
      transport_(world.network.TransportFor(process_, loop_)),
      random_(world.loop.random().Fork(process_)),
      log_(loop_.clock(), host_, world.log_level, world.Sink()) {}

Result<std::unique_ptr<SimulatedNode>> SimulatedNode::Make(World& world, std::string host,
                                                           bool is_head, ResourceSet resources) {
  auto made = std::unique_ptr<SimulatedNode>(
      new SimulatedNode(world, std::move(host), is_head, std::move(resources)));
  if (Result<void> built = made->Build(); !built) return Fail(std::move(built.error()));
  return made;
}

Result<void> SimulatedNode::Build() {
  raylet::RayletConfig config;
  config.node_id = random_.NewId<NodeId>();
  config.is_head = is_head_;
  config.resources = resources_;
  world_.capacity.AddNode(config.node_id.Binary(), resources_);
  config.listen_endpoint = Endpoint("raylet");
  config.local_listen_endpoint = Endpoint("local");
  config.host_name = host_;
  config.inline_bytes_max = static_cast<std::uint64_t>(world_.options.inline_bytes_max);

  ConfigValue::Map heap = world_.config.object_store.map() != nullptr
                              ? *world_.config.object_store.map()
                              : ConfigValue::Map();
  heap.try_emplace("kind", ConfigValue("heap"));  // shared memory is real, so it has no simulation
  Result<node::StoreParts> store = node::MakeStore(ConfigValue(std::move(heap)));
  if (!store) return Fail(std::move(store.error()));
  store_ = std::move(store->store);
  config.creates = store->creates;
  config.pulls = store->pulls;
  scheduler::NodeView local;
  local.id = config.node_id;
  local.total = local.available = config.resources;
  Result<std::unique_ptr<scheduler::Scheduler>> scheduler =
      node::MakeScheduler(world_.config.scheduler, std::move(local), random_.Fork("scheduler"));
  if (!scheduler) return Fail(std::move(scheduler.error()));
  scheduler_ = std::move(*scheduler);
  if (is_head_) {
    Result<std::unique_ptr<gcs::Storage>> storage =
        node::MakeStorage(world_.config.gcs_storage, {loop_, files_, writer_, "/gcs"});
    if (!storage) return Fail(std::move(storage.error()));
    gcs_ = &services_.Add(std::make_unique<node::GcsService>(
        node::GcsService::Deps{loop_, log_, metrics_, *transport_, random_.Fork("gcs")},
        std::move(*storage), gcs::ServerConfig(), std::string(kGcsEndpoint)));
  }
  peers_.emplace(
      loop_, [this](std::string_view) { return transport_.get(); }, random_.Fork("peers"),
      rpc::ClientOptions());
  rpc::ClientOptions to_gcs;
  to_gcs.reconnect_window = node::NodeConfig().gcs_reconnect_window;
  gcs_client_.emplace(loop_, *transport_, std::string(kGcsEndpoint), random_.Fork("gcs_client"),
                      to_gcs);
  launcher_.emplace(world_, loop_, host_);
  raylet_.emplace(
      raylet::Raylet::Deps{loop_, *transport_, *transport_, *peers_, *gcs_client_, *store_,
                           *scheduler_, *launcher_, files_, log_, metrics_, random_.Fork("raylet")},
      std::move(config));
  return {};
}

SimulatedNode::~SimulatedNode() {
  Kill();
  if (raylet_) raylet_->Stop();
  if (gcs_client_) gcs_client_->Stop();
  services_.Stop();
  if (peers_) peers_->Stop();
}

void SimulatedNode::Start(Done<void> joined) {
  auto join = [this, joined = std::move(joined)]() mutable {
    raylet_->Start([joined = std::move(joined)](Result<std::string> endpoint) mutable {
      joined(endpoint ? Result<void>() : Fail(std::move(endpoint.error())));
    });
  };
  services_.Start([join = std::move(join)](const Result<void>& ready) mutable {
    Check(ready.has_value(), "a GCS whose storage can be read starts");
    join();
  });
}

void SimulatedNode::OnMustExit(std::function<void(const Error&)> callback) {
  services_.OnFailed(callback);
  raylet_->OnMustExit(std::move(callback));
}

void SimulatedNode::Kill() {
  world_.network.Kill(process_);
  loop_.Kill();
  if (launcher_) launcher_->KillAll();
}

void SimulatedNode::CheckInvariants() const {
  raylet_->CheckInvariants();
  if (gcs_ != nullptr) gcs_->CheckInvariants();
  for (const auto& [pid, worker] : launcher_->workers()) {
    if (worker->has_joined()) worker->core().CheckInvariants();
  }
}

std::string SimulatedNode::Leftovers() const {
  for (const auto& [pid, worker] : launcher_->workers()) {
    if (std::string left = worker->Leftovers(); !left.empty()) return left;
  }
  const raylet::Raylet::Census census = raylet_->Count();
  if (census.leases + census.queued > 0) {
    return fmt::format("{} still has leases={} queued={}", host_, census.leases, census.queued);
  }
  const object_store::StoreUsage usage = store_->Usage();
  // A copy pulled for a task that then ran elsewhere is unknown to its owner: a cache, not a leak.
  if (usage.used_bytes > usage.evictable_bytes) {
    return fmt::format("{} still stores objects={} bytes={} evictable={}", host_,
                       usage.object_count, usage.used_bytes, usage.evictable_bytes);
  }
  return {};
}

std::string SimulatedNode::LeftProcesses() const {
  const raylet::Raylet::Census census = raylet_->Count();
  if (census.workers + census.drivers + launcher_->workers().size() == 0) return {};
  return fmt::format("{} still has workers={} drivers={} processes={}", host_, census.workers,
                     census.drivers, launcher_->workers().size());
}

}  // namespace mobula::sim
