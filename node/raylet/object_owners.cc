#include "node/raylet/object_owners.h"

namespace mobula::node {

void ObjectOwners::OnSealed(const rpc::Peer& peer, const ObjectId& object) {
  unclaimed_[&peer].insert(object);
}

void ObjectOwners::OnPeerClosed(const rpc::Peer& peer) {
  const auto unclaimed = unclaimed_.extract(&peer);
  if (unclaimed.empty()) return;
  for (const ObjectId& object : unclaimed.mapped()) {
    if (!owner_of_.contains(object)) remove_(object);
  }
}

void ObjectOwners::Adopt(const core_worker::AdoptObjectsRequest& request, const rpc::Peer* peer) {
  const auto unclaimed = unclaimed_.find(peer);
  const WorkerId id = WorkerId::FromBinaryOrNil(request.owner().worker_id());
  const NodeId node = NodeId::FromBinaryOrNil(request.owner().node_id());
  for (const std::string& binary : request.ids()) {
    const ObjectId object(ObjectId::FromBinaryOrNil(binary));
    if (unclaimed != unclaimed_.end()) unclaimed->second.erase(object);
    if (dead_.contains(id) || dead_nodes_.contains(node)) {
      remove_(object);
      continue;
    }
    Owner& owner = owners_[id];
    owner.node = node;
    owner.objects.insert(object);
    owner_of_[object] = id;
  }
}

void ObjectOwners::Free(const core_worker::FreeObjectsRequest& request) {
  for (const std::string& binary : request.ids()) {
    const ObjectId object(ObjectId::FromBinaryOrNil(binary));
    remove_(object);
    const auto it = owner_of_.find(object);
    if (it == owner_of_.end()) continue;
    const auto owner = owners_.find(it->second);
    owner->second.objects.erase(object);
    if (owner->second.objects.empty()) owners_.erase(owner);
    owner_of_.erase(it);
  }
}

void ObjectOwners::OnOwnerDied(const WorkerId& owner) {
  if (dead_.size() >= kDeadKeptMax) dead_.clear();
  dead_.insert(owner);
  const auto it = owners_.find(owner);
  if (it == owners_.end()) return;
  for (const ObjectId& object : it->second.objects) {
    remove_(object);
    owner_of_.erase(object);
  }
  owners_.erase(it);
}

void ObjectOwners::OnNodeDied(const NodeId& node) {
  if (dead_nodes_.size() >= kDeadKeptMax) dead_nodes_.clear();
  dead_nodes_.insert(node);
  std::set<WorkerId> gone;
  for (const auto& [worker, owner] : owners_) {
    if (owner.node == node) gone.insert(worker);
  }
  for (const WorkerId& worker : gone) OnOwnerDied(worker);
}

}  // namespace mobula::node
