/// \file
/// \brief Checks that no node runs more than it has, by what the tasks do and not by its own books.
///
/// Resources other than CPU belong to a task from its first moment to its last, so their sum over
/// the running tasks of a node never exceeds its total. CPUs are lent out while a task waits in
/// `Get`, and are taken back at once when it goes on, so a node may be overcommitted for a while by
/// such tasks, as in Ray. Workers that never waited must still fit in what the node has.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "components/base/resources.h"
#include "components/protocol/common.pb.h"

namespace mobula::sim {

/// Threads: one. Lifetime: the run's.
class Capacity {
 public:
  void AddNode(std::string_view node_id, ResourceSet total);

  /// A task begins on this worker. \return what is exceeded by it, as text; nothing if all fits.
  [[nodiscard]] std::optional<std::string> OnTaskStarted(const protocol::Address& worker,
                                                         const ResourceSet& resources);
  void OnTaskEnded(const protocol::Address& worker);
  /// The task of this worker waits in `Get`.
  void OnBlocked(const protocol::Address& worker);
  /// The process is dead, and with it its task.
  void OnWorkerEnded(const protocol::Address& worker) { workers_.erase(worker.worker_id()); }

 private:
  struct Worker {
    std::string node_id;
    ResourceSet running;
    bool has_waited = false;
  };
  std::map<std::string, ResourceSet> totals_;  // by node id
  std::map<std::string, Worker> workers_;      // by worker id
};

/// \return what the tasks of the simulation write into their plans, as amounts.
template <typename Map>
[[nodiscard]] ResourceSet ToResources(const Map& plan) {
  ResourceSet resources;
  for (const auto& [name, amount] : plan) resources.Set(name, Amount::FromDouble(amount));
  return resources;
}

}  // namespace mobula::sim
