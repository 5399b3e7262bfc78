/// \file
/// \brief Second and third step of every policy: how good a node is, and which good one to take.
#pragma once

#include <span>
#include <utility>
#include <vector>

#include "components/base/random.h"
#include "components/scheduler/filter.h"

namespace mobula::scheduler {

/// \return how much of its most used resource (CPU, memory, object store) a node uses, 0 to 1 and
/// above 1 while it is overcommitted. GPUs are left out, as in Ray: a full GPU leaves CPUs free.
[[nodiscard]] double CriticalUse(const NodeView& node);

/// \return what power_of_two and least_loaded compare: requests in the queue, then critical use.
[[nodiscard]] inline std::pair<std::uint64_t, double> Load(const NodeView& node) {
  return {node.queued_requests, CriticalUse(node)};
}

/// \return of the nodes that fit the one with most bytes of the request's arguments; null if no
/// such node holds any. Ties go to the local node, then by id.
[[nodiscard]] const NodeView* FindRichest(const Filter& filter);

/// \return the node of lowest `score(node)`; of equals the first. \pre `nodes` is not empty.
template <typename Score>
[[nodiscard]] const NodeView& PickLowest(const std::vector<const NodeView*>& nodes, Score score) {
  const NodeView* best = nodes.front();
  auto lowest = score(*best);
  for (const NodeView* node : std::span(nodes).subspan(1)) {
    if (auto value = score(*node); value < lowest) {
      lowest = std::move(value);
      best = node;
    }
  }
  return *best;
}

/// \return one of `nodes`, each as likely. \pre not empty.
[[nodiscard]] inline const NodeView& PickAny(const std::vector<const NodeView*>& nodes,
                                             Random& random) {
  return *nodes[random.Below(nodes.size())];
}

}  // namespace mobula::scheduler
