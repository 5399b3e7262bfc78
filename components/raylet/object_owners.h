/// \file
/// \brief Which primary copies of this node belong to whom, so that a dead owner's are freed.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "components/base/ids.h"
#include "components/protocol/raylet.pb.h"
#include "components/transport/rpc/peer.h"

namespace mobula::raylet {

/// Threads: the state lock.
class ObjectOwners {
 public:
  /// \param remove deletes a copy from this node's store.
  explicit ObjectOwners(std::function<void(const ObjectId&)> remove) : remove_(std::move(remove)) {}

  /// A process has sealed a copy and has not said yet whose it is.
  void OnSealed(const rpc::Peer& peer, const ObjectId& object);
  /// These copies belong to `owner`. If it or its node is known to be dead they are deleted.
  void Adopt(const protocol::AdoptObjectsRequest& request, const rpc::Peer* peer);
  /// A process is gone: what it has sealed for nobody is deleted.
  void OnPeerClosed(const rpc::Peer& peer);
  /// Their owner says that nobody holds them any more.
  void Free(const protocol::FreeObjectsRequest& request);
  /// A process, or every process of a node, ended: what it owned is deleted.
  void OnOwnerDied(const WorkerId& owner, const std::string& cause);
  void OnNodeDied(const NodeId& node, const std::string& reason);
  /// \return how a process or its node ended; null if neither is known to be dead.
  [[nodiscard]] const std::string* CauseOfDeath(const WorkerId& owner, const NodeId& node) const;

 private:
  struct Owner {
    NodeId node;
    std::set<ObjectId> objects;
  };
  static constexpr std::size_t kDeadKeptMax = 10'000;  // remembered, for copies sealed late
  std::function<void(const ObjectId&)> remove_;
  std::map<WorkerId, Owner> owners_;
  std::map<ObjectId, WorkerId> owner_of_;
  std::map<WorkerId, std::string> dead_;  // how they ended
  std::map<NodeId, std::string> dead_nodes_;
  std::map<const rpc::Peer*, std::set<ObjectId>> unclaimed_;  // never walked
};

}  // namespace mobula::raylet
