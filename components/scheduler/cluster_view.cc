#include "components/scheduler/cluster_view.h"

#include <utility>

namespace mobula::scheduler {

ViewChange ClusterView::Upsert(NodeView node) {
  const auto [it, is_new] = nodes_.try_emplace(node.id);
  NodeView& known = it->second;
  if (!is_new && node.version <= known.version) return ViewChange::kNone;
  // Total, labels and whether it takes work decide what could ever run there. While these stay, the
  // index only moves the node to other shelves, and what was impossible before is so still.
  const bool same_shape = !is_new && node.TakesWork() == known.TakesWork() &&
                          node.total == known.total && node.labels == known.labels;
  if (same_shape) {
    known = std::move(node);
    if (known.TakesWork()) index_.Refile(known);
    return ViewChange::kUsage;
  }
  // The index holds exactly the nodes that take work, each by its present resources. So the old
  // picture leaves it before it is overwritten.
  if (!is_new && known.TakesWork()) index_.Remove(known);
  known = std::move(node);
  if (known.TakesWork()) index_.Add(known);
  ++shape_version_;
  return ViewChange::kShape;
}

ViewChange ClusterView::Remove(const NodeId& id) {
  const auto it = nodes_.find(id);
  if (it == nodes_.end()) return ViewChange::kNone;
  if (it->second.TakesWork()) index_.Remove(it->second);
  nodes_.erase(it);
  ++shape_version_;
  return ViewChange::kShape;
}

void ClusterView::Take(const NodeId& id, const ResourceSet& resources) {
  const auto it = nodes_.find(id);
  if (it == nodes_.end()) return;
  it->second.available.Subtract(resources);
  Touch(it->second);
}

void ClusterView::Give(const NodeId& id, const ResourceSet& resources) {
  const auto it = nodes_.find(id);
  if (it == nodes_.end()) return;
  it->second.available.Add(resources);
  Touch(it->second);
}

void ClusterView::SetQueued(const NodeId& id, std::uint64_t requests) {
  const auto it = nodes_.find(id);
  if (it == nodes_.end() || it->second.queued_requests == requests) return;
  it->second.queued_requests = requests;
  Touch(it->second);
}

void ClusterView::Touch(NodeView& node) {
  // Only of this process's own node is the view the truth, so only there is a change a new version.
  // A version invented for another node would hide that node's next report.
  if (node.TakesWork()) index_.Refile(node);
  if (node.id == local_) ++node.version;
}

const NodeView* ClusterView::Find(const NodeId& id) const {
  const auto it = nodes_.find(id);
  return it == nodes_.end() ? nullptr : &it->second;
}

}  // namespace mobula::scheduler
