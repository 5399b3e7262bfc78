#include "components/raylet/object_owners.h"

#include <utility>

#include "components/protocol/raylet.pb.h"

namespace mobula::raylet {

void ObjectOwners::OnSealed(const rpc::Peer& peer, const ObjectId& object) {
  // The process says in a later message whose it is. If it dies in between, nobody would ever free
  // the copy, so until then it is kept under the process.
  unclaimed_[&peer].insert(object);
}

void ObjectOwners::OnPeerClosed(const rpc::Peer& peer) {
  const auto unclaimed = unclaimed_.extract(&peer);
  if (unclaimed.empty()) return;
  for (const ObjectId& object : unclaimed.mapped()) {
    // Another process may have sealed the same object, by running the same task again, and named
    // its owner. Then the copy is in use.
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
    // The task that made it ran longer than its owner lived. Nobody is left to read or free it.
    if (CauseOfDeath(id, node) != nullptr) {
      remove_(object);
      continue;
    }
    Own(object, id, request.owner());
  }
}

void ObjectOwners::Own(const ObjectId& object, const WorkerId& owner,
                       const protocol::Address& address) {
  // The address is needed when the copy is evicted: the owner must be told where it has moved
  // since.
  Owner& entry = owners_[owner];
  entry.address = address;
  entry.node = NodeId::FromBinaryOrNil(address.node_id());
  entry.objects.insert(object);
  owner_of_[object] = owner;
}

void ObjectOwners::Forget(const ObjectId& object) {
  const auto it = owner_of_.find(object);
  if (it == owner_of_.end()) return;
  const auto owner = owners_.find(it->second);
  owner->second.objects.erase(object);
  if (owner->second.objects.empty()) owners_.erase(owner);
  owner_of_.erase(it);
}

void ObjectOwners::OnPulled(const ObjectId& object, const std::string& owner) {
  protocol::Address address;
  if (!address.ParseFromString(owner)) return;
  const WorkerId id = WorkerId::FromBinaryOrNil(address.worker_id());
  // A dead owner will not free this copy. Its readers may still use it until it is evicted.
  if (CauseOfDeath(id, NodeId::FromBinaryOrNil(address.node_id())) != nullptr) return;
  Own(object, id, address);
}

void ObjectOwners::OnEvicted(const ObjectId& object) {
  const auto it = owner_of_.find(object);
  if (it == owner_of_.end()) return;  // its reader named no owner, or the owner is dead
  // One message for each owner, however many copies make room for one large object.
  if (evicted_.empty()) loop_.Post(alive_.Bind([this] { SendReports(); }));
  auto& [address, report] = evicted_[it->second];
  address = owners_.at(it->second).address;
  report.add_evicted_ids(std::string(object.Binary()));
  // The store has dropped it already, so it is no longer anybody's copy here.
  Forget(object);
}

void ObjectOwners::SendReports() {
  for (auto& [owner, pending] : std::exchange(evicted_, {})) {
    report_(pending.first, std::move(pending.second));
  }
}

void ObjectOwners::Free(const protocol::FreeObjectsRequest& request) {
  // The owner sends this to every node that it believes to hold a copy. One that was evicted
  // meanwhile is unknown here, and that is as good.
  for (const std::string& binary : request.ids()) {
    const ObjectId object(ObjectId::FromBinaryOrNil(binary));
    remove_(object);
    Forget(object);
  }
}

void ObjectOwners::OnOwnerDied(const WorkerId& owner, const std::string& cause) {
  // A task of the dead owner may still seal a result here, so its death is remembered. Those
  // forgotten at the bound cost a copy that stays until the node needs the room.
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
  // With a node all its processes are dead, those too whose copies will arrive only later.
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
