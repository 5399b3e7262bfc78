/// \file
/// \brief Whose the copies in this node's store are: a dead owner's are freed, a living owner is
/// told when one is evicted.
///
/// A process that seals a primary copy says whose it is (`Adopt`). A secondary copy is pulled for a
/// reader, who names the owner as well (`OnPulled`). The store may evict secondary copies whenever
/// it needs room; the owner would go on naming this node as a place of the object, and each reader
/// that believes it would ask here in vain. So the owner hears of evictions, all those of one turn
/// of the loop in one message. The report is a hint: if it is lost with its connection or overtakes
/// the reader's report of the copy, the first reader that asks here finds out (`missing_ids`).
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "components/base/event_loop.h"
#include "components/base/ids.h"
#include "components/base/lifetime.h"
#include "components/protocol/owner.pb.h"
#include "components/protocol/raylet.pb.h"
#include "components/transport/rpc/peer.h"

namespace mobula::raylet {

/// Threads: the state lock.
class ObjectOwners {
 public:
  /// Sends a report of evicted copies to an owner. `node` of the report is the sender's to fill in.
  using Report = std::function<void(const protocol::Address&, protocol::ReportCopiesRequest)>;
  /// \param remove deletes a copy from this node's store.
  ObjectOwners(EventLoop& loop, std::function<void(const ObjectId&)> remove, Report report)
      : loop_(loop), remove_(std::move(remove)), report_(std::move(report)) {}

  /// A process has sealed a copy and has not said yet whose it is.
  void OnSealed(const rpc::Peer& peer, const ObjectId& object);
  /// These copies belong to `owner`. If it or its node is known to be dead they are deleted.
  void Adopt(const protocol::AdoptObjectsRequest& request, const rpc::Peer* peer);
  /// A copy came from another node. \param owner an encoded Address.
  void OnPulled(const ObjectId& object, const std::string& owner);
  /// The store has dropped it to make room; its owner is told soon. Does not call the store.
  void OnEvicted(const ObjectId& object);
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
    protocol::Address address;
    NodeId node;
    std::set<ObjectId> objects;
  };
  static constexpr std::size_t kDeadKeptMax = 10'000;  // remembered, for copies sealed late
  void Own(const ObjectId& object, const WorkerId& owner, const protocol::Address& address);
  void Forget(const ObjectId& object);
  void SendReports();

  EventLoop& loop_;
  std::function<void(const ObjectId&)> remove_;
  Report report_;
  std::map<WorkerId, Owner> owners_;
  std::map<ObjectId, WorkerId> owner_of_;
  std::map<WorkerId, std::string> dead_;  // how they ended
  std::map<NodeId, std::string> dead_nodes_;
  std::map<const rpc::Peer*, std::set<ObjectId>> unclaimed_;  // never walked
  /// Evicted in this turn of the loop, by owner.
  std::map<WorkerId, std::pair<protocol::Address, protocol::ReportCopiesRequest>> evicted_;
  Lifetime alive_;
};

}  // namespace mobula::raylet
