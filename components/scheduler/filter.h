/// \file
/// \brief First step of every policy: which nodes come into question.
#pragma once

#include <cstddef>
#include <vector>

#include "components/base/random.h"
#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

/// One request against one view: answers for single nodes.
///
/// Threads: one. Lifetime: borrows both; for the length of one decision.
class Filter {
 public:
  Filter(const ResourceRequest& request, const ClusterView& view);

  /// \return true if the node takes work, bears the labels and is the node asked for, if any is.
  /// A soft wish for a node counts while that node, empty, could serve it.
  [[nodiscard]] bool IsEligible(const NodeView& node) const;
  /// \return true if the node is eligible and, empty, big enough.
  [[nodiscard]] bool IsFeasible(const NodeView& node) const;
  /// \return true if the node is feasible and has the resources available now.
  [[nodiscard]] bool Fits(const NodeView& node) const;

  [[nodiscard]] const ResourceRequest& request() const { return request_; }
  [[nodiscard]] const ClusterView& view() const { return view_; }
  /// \return the only node that is eligible; null if the request leaves a choice.
  [[nodiscard]] const NodeId* Pinned() const { return pinned_ ? &pinned_->node : nullptr; }

 private:
  const ResourceRequest& request_;
  const ClusterView& view_;
  const OnNode* pinned_;  // part of `request_`; null for a soft wish that cannot be met
};

/// Nodes that fit, ordered by id.
struct Fitting {
  std::vector<const NodeView*> nodes;
  bool is_all = true;  ///< False: a random sample of those that fit.
};

/// Which nodes to sample when there are too many.
enum class SampleFrom : std::uint8_t { kAnywhere, kLeastFree };

/// Finds nodes that fit: all of them if at most `sample_nodes` may fit (or it is 0), else about
/// that many. Empty only if no node fits.
/// Cost: O(sample_nodes); O(nodes) when nothing in the sample fits and the index cannot tell.
[[nodiscard]] Fitting FindFitting(const Filter& filter, std::size_t sample_nodes, SampleFrom from,
                                  Random& random);

/// \return true if some node fits. Cost: O(1) when the index can tell, else O(nodes).
[[nodiscard]] bool AnyFits(const Filter& filter);

/// \return `Wait` or `Infeasible` with its reason. \pre no node fits. Cost: O(nodes).
[[nodiscard]] Decision NothingFits(const Filter& filter);

}  // namespace mobula::scheduler
