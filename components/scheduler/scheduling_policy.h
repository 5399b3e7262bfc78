/// \file
/// \brief Decides which node should run something. The decision is a pure function.
///
/// A `SchedulingPolicy` looks at one request and one picture of the cluster and names a node. It
/// sends nothing, waits for nothing and stores nothing outside itself; the caller acts on the
/// answer and copes with a picture that has gone stale. Called by: scheduler/queue in each raylet,
/// and the GCS for actors. This is the first thing to swap. Book: \ref ch_scheduling.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "components/base/ids.h"
#include "components/base/kinds.h"
#include "components/base/random.h"
#include "components/base/resources.h"
#include "components/base/result.h"
#include "components/scheduler/cluster_view.h"
#include "components/scheduler/label_term.h"
#include "mobula/scheduling_strategy.h"

namespace mobula::scheduler {

/// What one lease needs. A value.
struct ResourceRequest {
  ResourceSet resources;  ///< No negative amounts.
  SchedulingStrategy strategy;
  std::vector<LabelTerm> labels;             ///< All must accept the node.
  std::map<NodeId, std::uint64_t> locality;  ///< Bytes of arguments that lie there already.
};

/// Orders requests by everything that decides where they fit; `locality` only prefers and is left
/// out. Of requests that compare equal either all fit somewhere or none does.
struct ShapeLess {
  bool operator()(const ResourceRequest& a, const ResourceRequest& b) const;
};

/// The three answers. "Not now" and "never" are answers, not errors, and both say why.
namespace decision {
/// Run it there.
struct Place {
  NodeId node;
};
/// Some node could, none can now. Ask again after the view changes.
struct Wait {
  std::string reason;
};
/// No node, even empty, is big enough. Useless until nodes join or change.
struct Infeasible {
  std::string reason;
};
}  // namespace decision
using Decision = std::variant<decision::Place, decision::Wait, decision::Infeasible>;

//! [scheduling-policy]
/// Chooses nodes.
///
/// Threads: calls on one object must not overlap; different objects are independent.
/// Lifetime: keeps no reference to its arguments.
class SchedulingPolicy {
 public:
  /// What its makers are given beside their keys: a stream of chance of its own.
  struct Context {
    Random random;
  };

  virtual ~SchedulingPolicy() = default;

  /// Picks a node for `request`.
  ///
  /// `Place` names a node of `view` that takes work, has the resources available, bears the labels
  /// and is the node asked for. `Wait` is answered only if no such node is there, `Infeasible` only
  /// if none would be were all of them empty; both name what is missing and what the first few
  /// nodes lack. The same seed, configuration and history of calls and of the view give the same
  /// answer on every machine; simulation and golden scripts rely on it.
  ///
  /// Cost: at most linear in the nodes; the built-in ones look at a sample of a large cluster.
  /// \return `Place`, `Wait` or `Infeasible`. Errors: none.
  [[nodiscard]] virtual Decision Choose(const ResourceRequest& request,
                                        const ClusterView& view) = 0;

  /// \return the name used in YAML, logs and metrics, such as "hybrid"; never empty.
  [[nodiscard]] virtual std::string_view Name() const = 0;
};
//! [scheduling-policy]

}  // namespace mobula::scheduler
