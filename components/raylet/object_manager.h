/// \file
/// \edge
/// \brief The objects of one node: its store as others see it, and whose the copies in it are.
///
///     processes of this node ──StoreService──► ┌────────────┐ ◄──TransferService── other nodes
///                   a reader's wish: pull it ──► │   store    │
///     owners ◄──"evicted here"── ObjectOwners ◄──└────────────┘
///
/// It puts the parts together that do the work and are explained in their own headers: requests
/// wait for room in a `CreateQueue`, a `PullManager` fetches copies, and `ObjectOwners` knows whom
/// each copy belongs to, so that a dead owner's are freed and a living one is told of evictions.
#pragma once

#include <functional>
#include <string>

#include "components/object_store/store_service.h"
#include "components/object_store/transfer/pull_manager.h"
#include "components/object_store/transfer/transfer_service.h"
#include "components/raylet/object_owners.h"
#include "components/raylet/raylet_config.h"

namespace mobula::raylet {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it; it outlives the peers whose
/// table it is bound to.
class ObjectManager {
 public:
  struct Deps {
    EventLoop& loop;
    object_store::ObjectStore& store;
    rpc::ClientPool& peers;
    Random random;
    /// Tells members of the cluster, which may be out of reach for a while, from nodes that left.
    std::function<bool(const std::string& endpoint)> is_member;
  };
  ObjectManager(Deps deps, const RayletConfig& config);
  ~ObjectManager();

  /// Adds the handlers of `StoreService` and `TransferService`.
  void Bind(rpc::ServiceTable& table);
  /// This node is reached there: it does not pull from itself, and owners are told so.
  void SetOwnEndpoint(const std::string& endpoint);
  /// A process is gone: what it had not sealed or given to an owner is dropped.
  void OnPeerClosed(rpc::Peer& peer);
  /// \return whose the copies are; deaths of owners and nodes are told to it.
  [[nodiscard]] ObjectOwners& owners() { return owners_; }
  /// Answers every waiting request with kCancelled. Twice is harmless.
  void Stop();

 private:
  void ReportEvicted(const protocol::Address& owner, protocol::ReportCopiesRequest report) const;

  object_store::ObjectStore& store_;
  rpc::ClientPool& peers_;
  const NodeId node_;
  std::string endpoint_;  // this node's, for others
  object_store::CreateQueue creates_;
  object_store::PullManager pulls_;
  object_store::StoreService store_service_;
  object_store::TransferService transfer_service_;
  ObjectOwners owners_;
};

}  // namespace mobula::raylet
