#include "sim/capacity.h"

#include "components/base/check.h"

namespace mobula::sim {

void Capacity::AddNode(std::string_view node_id, ResourceSet total) {
  totals_[std::string(node_id)] = std::move(total);
}

std::optional<std::string> Capacity::OnTaskStarted(const protocol::Address& worker,
                                                   const ResourceSet& resources) {
  // What a task holds is counted from its first instruction to its last, whatever the raylet's
  // books say. The two must agree, and only this count cannot be wrong in the same way as the
  // books.
  Worker& starting = workers_[worker.worker_id()];
  starting.node_id = worker.node_id();
  starting.running = resources;

  const auto total = totals_.find(worker.node_id());
  Check(total != totals_.end(), "a worker runs on a node of the cluster");
  ResourceSet running;
  for (const auto& [id, other] : workers_) {
    if (other.node_id != worker.node_id()) continue;
    ResourceSet held = other.running;
    // A worker that has waited once may have overcommitted the CPUs of its node by going on.
    if (other.has_waited) held.Set(std::string(kCpu), Amount());
    running.Add(held);
  }
  if (total->second.Covers(running)) return std::nullopt;
  return fmt::format("capacity exceeded: a node with {} runs tasks that hold {} of {}",
                     total->second.ToString(), running.ToString(),
                     total->second.FirstShortage(running));
}

void Capacity::OnTaskEnded(const protocol::Address& worker) {
  if (const auto it = workers_.find(worker.worker_id()); it != workers_.end()) {
    it->second.running = {};
  }
}

void Capacity::OnBlocked(const protocol::Address& worker) {
  if (const auto it = workers_.find(worker.worker_id()); it != workers_.end()) {
    // Its CPU was lent out while it waited and is not waited for when it goes on, so from here on
    // its node may run more than it has: of CPUs, and of nothing else.
    it->second.has_waited = true;
  }
}

}  // namespace mobula::sim
