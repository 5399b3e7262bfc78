#include "components/raylet/object_owners.h"

#include "components/protocol/raylet.pb.h"

namespace mobula::raylet {

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

void ObjectOwners::Adopt(const protocol::AdoptObjectsRequest& request, const rpc::Peer* peer) {
  const auto unclaimed = unclaimed_.find(peer);
  const WorkerId id = WorkerId::FromBinaryOrNil(request.owner().worker_id());
  const NodeId node = NodeId::FromBinaryOrNil(request.owner().node_id());
  for (const std::string& binary : request.ids()) {
    const ObjectId object(ObjectId::FromBinaryOrNil(binary));
    if (unclaimed != unclaimed_.end()) unclaimed->second.erase(object);
    if (CauseOfDeath(id, node) != nullptr) {
      remove_(object);
      continue;
    }
    Owner& owner = owners_[id];
    owner.node = node;
    owner.objects.insert(object);
    owner_of_[object] = id;
  }
}

void ObjectOwners::Free(const protocol::FreeObjectsRequest& request) {
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

void ObjectOwners::OnOwnerDied(const WorkerId& owner, const std::string& cause) {
  if (dead_.size() >= kDeadKeptMax) dead_.clear();
  dead_.emplace(owner, cause);
  const auto it = owners_.find(owner);
  if (it == owners_.end()) return;
  for (const ObjectId& object : it->second.objects) {
    remove_(object);
    owner_of_.erase(object);
  }
  owners_.erase(it);
}

void ObjectOwners::OnNodeDied(const NodeId& node, const std::string& reason) {
  if (dead_nodes_.size() >= kDeadKeptMax) dead_nodes_.clear();
  const std::string& cause = dead_nodes_.emplace(node, "its node died: " + reason).first->second;
  std::set<WorkerId> gone;
  for (const auto& [worker, owner] : owners_) {
    if (owner.node == node) gone.insert(worker);
  }
  for (const WorkerId& worker : gone) OnOwnerDied(worker, cause);
}

const std::string* ObjectOwners::CauseOfDeath(const WorkerId& owner, const NodeId& node) const {
  if (const auto it = dead_.find(owner); it != dead_.end()) return &it->second;
  const auto it = dead_nodes_.find(node);
  return it == dead_nodes_.end() ? nullptr : &it->second;
}

}  // namespace mobula::raylet
