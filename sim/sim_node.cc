#include "sim/sim_node.h"

#include "node/config.h"
#include "node/wiring.h"

namespace mobula::sim {

// A host is one process of the simulated network and one loop that can be killed as a whole. Its
// chance comes from its name, so what one host does leaves the draws of the others as they are.
SimulatedNode::SimulatedNode(World& world, std::string host, ResourceSet resources)
    : world_(world),
      host_(std::move(host)),
      process_(host_ + ".node"),
      resources_(std::move(resources)),
      loop_(world.loop),
      transport_(world.network.TransportFor(process_, loop_)),
      random_(world.loop.random().Fork(process_)),
      log_(loop_.clock(), host_, world.log_level, world.Sink()) {
  launcher_.emplace(world_, loop_, host_);
}

Result<std::unique_ptr<SimulatedNode>> SimulatedNode::Make(World& world, std::string host,
                                                           bool is_head, ResourceSet resources) {
  auto made = std::unique_ptr<SimulatedNode>(
      new SimulatedNode(world, std::move(host), std::move(resources)));
  if (Result<void> assembled = made->Assemble(is_head); !assembled) {
    return Fail(std::move(assembled.error()));
  }
  return made;
}

// The same assembly as a real node's. Only what it stands on is simulated: loop, network, files,
// and the launcher, whose workers are objects.
Result<void> SimulatedNode::Assemble(bool is_head) {
  raylet::NodeOptions options;
  options.raylet.node_id = random_.NewId<NodeId>();
  options.raylet.is_head = is_head;
  options.raylet.resources = resources_;
  options.raylet.listen_endpoint = Endpoint("raylet");
  options.raylet.local_listen_endpoint = Endpoint("local");
  options.raylet.host_name = host_;
  options.raylet.inline_bytes_max = static_cast<std::uint64_t>(world_.options.inline_bytes_max);
  options.scheduler = world_.config.scheduler;
  options.to_gcs.reconnect_window = node::NodeConfig().gcs_reconnect_window;
  // Shared memory is real and has no simulation, so a store is on the heap by default.
  ConfigValue::Map store = world_.config.object_store.map() != nullptr
                               ? *world_.config.object_store.map()
                               : ConfigValue::Map();
  store.try_emplace("kind", ConfigValue("heap"));
  options.object_store = ConfigValue(std::move(store));
  // The check of capacity must know the node before its first task begins.
  world_.capacity.AddNode(options.raylet.node_id.Binary(), resources_);

  Result<std::unique_ptr<raylet::NodeAssembly>> node = raylet::NodeAssembly::Make(
      {.host = {loop_, files_, log_, metrics_, random_},
       .cluster_transport = *transport_,
       .local_transport = *transport_,
       .transport_for = [this](std::string_view) { return transport_.get(); },
       .launcher = *launcher_,
       .gcs_endpoint = [] { return std::string(kGcsEndpoint); }},
      std::move(options));
  if (!node) return Fail(std::move(node.error()));
  node_ = std::move(*node);
  return is_head ? AddHeadServices() : Result<void>();
}

// A service joins the simulation by an `Add` here, beside the one in node/node.cc.
Result<void> SimulatedNode::AddHeadServices() {
  Result<std::unique_ptr<gcs::Storage>> storage =
      node::MakeStorage(world_.config.gcs_storage, {loop_, files_, writer_, "/gcs"});
  if (!storage) return Fail(std::move(storage.error()));
  gcs_ = &node_->services().Add(std::make_unique<node::GcsService>(
      node::GcsService::Deps{loop_, log_, metrics_, *transport_, random_.Fork("gcs")},
      std::move(*storage), gcs::ServerConfig(), std::string(kGcsEndpoint)));
  return {};
}

SimulatedNode::~SimulatedNode() { Kill(); }

void SimulatedNode::Start(Done<void> joined) { node_->Start(std::move(joined)); }

void SimulatedNode::OnMustExit(std::function<void(const Error&)> callback) {
  node_->OnMustExit(std::move(callback));
}

// The network first, so that nothing more leaves the host; what it had sent is under way and will
// arrive. Then its loop, so that no event of it runs any more. Only after both may its objects be
// destroyed: a destructor that still reached others would be a goodbye, and a killed process says
// none.
void SimulatedNode::Kill() {
  world_.network.Kill(process_);
  loop_.Kill();
  launcher_->KillAll();
}

// A head has no raylet before its GCS serves, and a worker has no job before it has joined.
void SimulatedNode::CheckInvariants() const {
  if (node_->raylet() != nullptr) node_->raylet()->CheckInvariants();
  if (gcs_ != nullptr) gcs_->CheckInvariants();
  for (const auto& [pid, worker] : launcher_->workers()) {
    if (worker->has_joined()) worker->core().CheckInvariants();
  }
}

std::string SimulatedNode::Leftovers() const {
  for (const auto& [pid, worker] : launcher_->workers()) {
    if (std::string left = worker->Leftovers(); !left.empty()) return left;
  }
  const raylet::Raylet::Census census = node_->raylet()->Count();
  if (census.leases + census.queued > 0) {
    return fmt::format("{} still has leases={} queued={}", host_, census.leases, census.queued);
  }
  const object_store::StoreUsage usage = node_->store().Usage();
  // A copy pulled for a task that then ran elsewhere is unknown to its owner: a cache, not a leak.
  if (usage.used_bytes > usage.evictable_bytes) {
    return fmt::format("{} still stores objects={} bytes={} evictable={}", host_,
                       usage.object_count, usage.used_bytes, usage.evictable_bytes);
  }
  return {};
}

// Asked when all drivers have left: a worker that is still there would stay for ever.
std::string SimulatedNode::LeftProcesses() const {
  const raylet::Raylet::Census census = node_->raylet()->Count();
  if (census.workers + census.drivers + launcher_->workers().size() == 0) return {};
  return fmt::format("{} still has workers={} drivers={} processes={}", host_, census.workers,
                     census.drivers, launcher_->workers().size());
}

}  // namespace mobula::sim
