/// \file
/// \brief What one process believes about the nodes of the cluster, and how old the belief is.
///
/// Pictures of other nodes arrive late, twice or after newer ones. A `ClusterView` keeps the newest
/// of each node by version, ordered by id, so that two processes with the same facts decide the
/// same. It is only ever a hint: the node itself checks again when it grants.
#pragma once

#include <cstdint>
#include <map>

#include "components/base/ids.h"
#include "components/base/resources.h"
#include "components/scheduler/free_index.h"
#include "components/scheduler/label_term.h"

namespace mobula::scheduler {

/// One node at one moment. A value. `id` names one incarnation: a removed id never comes back.
struct NodeView {
  NodeId id;
  ResourceSet total;
  ResourceSet available;  ///< Below zero while more workers run than fit (scheduler.h).
  Labels labels;
  bool alive = true;
  bool draining = false;                    ///< Finishes what it has, takes nothing new.
  std::uint64_t version = 0;                ///< Grows with each change the node reports.
  std::uint64_t object_bytes = 0;           ///< Held in its object store now.
  std::uint64_t object_bytes_capacity = 0;  ///< What the object store may hold.
  std::uint64_t queued_requests = 0;        ///< Lease requests that wait in its queue.

  /// \return true if new work may be put here at all.
  [[nodiscard]] bool TakesWork() const { return alive && !draining; }
};

/// What an update did to a view.
enum class ViewChange : std::uint8_t {
  kNone,   ///< Not newer than what is known: ignored.
  kUsage,  ///< What is free or used changed: what waited may fit now.
  kShape,  ///< A node came, went, or changed in total, labels or state: what was impossible may be
           ///< possible, and the reverse.
};

/// The nodes, ordered by id.
///
/// Threads: calls must not overlap; `const` calls may. Lifetime: references to nodes hold until the
/// next change. Cost: O(log nodes + resources of the node) a change; look-ups O(log nodes).
class ClusterView {
 public:
  ClusterView() = default;
  ClusterView(const ClusterView&) = delete;
  ClusterView& operator=(const ClusterView&) = delete;

  /// Takes `node` over if it is new or its version is above the known one.
  ViewChange Upsert(NodeView node);
  /// Forgets a node. \return kNone if it was not known.
  ViewChange Remove(const NodeId& id);

  /// Says which node is this process's own. It need not be known yet.
  void SetLocal(const NodeId& id) { local_ = id; }
  /// \return this process's own node; null if it has none, or it is not known yet.
  [[nodiscard]] const NodeView* local() const { return Find(local_); }
  [[nodiscard]] const NodeId& local_id() const { return local_; }

  /// Subtracts from what `id` has available; unknown ids are ignored. The version of another's node
  /// stays, so the next newer picture of it replaces the guess; that of the local node, whose truth
  /// this is, grows by one.
  void Take(const NodeId& id, const ResourceSet& resources);
  /// The reverse of `Take`.
  void Give(const NodeId& id, const ResourceSet& resources);
  /// Sets how many requests wait on `id`; no effect if that many do already.
  void SetQueued(const NodeId& id, std::uint64_t requests);

  [[nodiscard]] const NodeView* Find(const NodeId& id) const;
  [[nodiscard]] const std::map<NodeId, NodeView>& nodes() const { return nodes_; }
  /// \return every node that takes work and has `wanted` free, and perhaps some that have not.
  [[nodiscard]] FreeIndex::Candidates MayFit(const ResourceSet& wanted) const {
    return index_.Find(wanted);
  }
  /// \return a number that changes with every `ViewChange::kShape`.
  [[nodiscard]] std::uint64_t shape_version() const { return shape_version_; }

 private:
  void Touch(NodeView& node);

  std::map<NodeId, NodeView> nodes_;
  FreeIndex index_;  // of the nodes that take work
  NodeId local_;
  std::uint64_t shape_version_ = 0;
};

}  // namespace mobula::scheduler
