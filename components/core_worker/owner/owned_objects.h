/// \file
/// \brief The objects of this process: their states, who holds them, and when they are freed.
///
///     New ─► Pending ──value or error──► known ──nobody holds it──► copies freed ─► forgotten
///               ▲                          │                            │
///               └─last copy lost: OnLost───┘                            └─its id stays while a
///                                                                         task's lineage needs it
///
/// An object is held by local references, by unfinished tasks it was submitted to, by values that
/// contain it (all three are shares of one `Reference`), and by borrowing processes.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/borrowers.h"
#include "components/core_worker/owner/by_id.h"
#include "components/core_worker/owner/copy_deleter.h"
#include "components/core_worker/owner/owned_object.h"
#include "components/core_worker/owner/watches.h"
#include "components/protocol/owner.pb.h"
#include "components/transport/rpc/service_table.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class OwnedObjects {
 public:
  struct Deps {
    EventLoop& loop;
    rpc::ClientPool& peers;  ///< To raylets, by endpoint.
    EventLog& log;
    Watches& watches;
    SetById<OwnedObject>& objects;  ///< Where they are kept: references may outlive this.
  };
  struct Config {
    Duration borrower_grace;
    std::size_t batch_ids_max;
  };
  struct Hooks {
    /// The last copy of an object is gone while it is wanted: make it again, or set an error.
    std::function<void(const ObjectId&)> on_lost;
    /// Nobody holds the object and no lineage needs it: the id is forgotten.
    std::function<void(const ObjectId&)> on_released;
  };
  OwnedObjects(Deps deps, Config config, Hooks hooks);

  /// \param us who we are, for other processes. \pre `id` is new. \return the first hold on it.
  [[nodiscard]] internal::ReferencePtr New(const ObjectId& id, const OwnerPtr& us,
                                           ObjectState state,
                                           std::vector<internal::ReferencePtr> contained);
  [[nodiscard]] OwnedObject* Find(const ObjectId& id) const { return deps_.objects.Find(id); }
  [[nodiscard]] bool Has(const ObjectId& id) const { return Find(id) != nullptr; }
  [[nodiscard]] std::size_t size() const { return deps_.objects.size(); }
  [[nodiscard]] internal::ReferencePtr Hold(OwnedObject& object);
  /// The last share of a hold was dropped.
  void Drop(OwnedObject& object);

  /// The object has this value now. `contained` stay held while the value lives. Wakes who waits.
  /// Ignored if `id` was released meanwhile (its copies are freed then).
  void SetState(const ObjectId& id, ObjectState state,
                std::vector<internal::ReferencePtr> contained = {});
  /// The same, unless it has a value or an error already.
  void SetIfPending(const ObjectId& id, ObjectState state,
                    std::vector<internal::ReferencePtr> contained = {});
  /// Back to `Pending`, for an object that is being made again.
  void SetPending(const ObjectId& id);
  /// A node has a copy.
  void AddCopy(const ObjectId& id, const NodeId& node, const std::string& raylet_endpoint);
  /// A node is dead, and its copies with it.
  void DropNode(const NodeId& node);
  /// At these raylets there was no copy where we believed one.
  void DoubtCopies(const ObjectId& id, const std::vector<std::string>& raylet_endpoints);
  /// Holds by lineage: the id stays known although its value may be freed.
  void AddLineage(const ObjectId& id);
  void RemoveLineage(const ObjectId& id);

  /// Wakes `watch` when the object is known. One that was freed is made again.
  void AddWatch(OwnedObject& object, WatchId watch);
  /// One that was freed and is wanted again is made again.
  void Want(OwnedObject& object);

  /// Adds what borrowers call.
  void AddHandlers(rpc::ServiceTable& services);
  void OnPeerClosed(rpc::Peer& peer);
  /// \return how many borrows other processes have.
  [[nodiscard]] std::size_t LentCount() const { return borrowers_.Count(); }
  [[nodiscard]] std::uint64_t InlineBytes() const;
  /// Forgets all states, and all objects but those that are referred to still.
  void Stop();
  void CheckInvariants() const;

 private:
  using IsGone = std::function<bool(const NodeId&, const std::string&)>;
  void Set(OwnedObject& object, ObjectState state, std::vector<internal::ReferencePtr> contained);
  void RemoveCopies(const ObjectId& id, const IsGone& is_gone);
  void ReleaseIfUnheld(OwnedObject& object);
  void Forget(OwnedObject& object);
  void DeleteCopies(const ObjectId& id, const InStore* stored);
  void TellWatchers(OwnedObject& object);
  void RemoveBorrow(const ObjectId& id, const WorkerId& borrower);

  void HandleWatch(const protocol::WatchRequest& request, rpc::Peer* peer);
  void AnswerWatches(rpc::Peer* peer);
  void HandleAddBorrows(const protocol::AddBorrowsRequest& request, rpc::Peer* peer);
  void HandleReportCopies(const protocol::ReportCopiesRequest& request);

  Deps deps_;
  Hooks hooks_;
  CopyDeleter deleter_;
  Borrowers borrowers_;
  std::map<rpc::Peer*, std::deque<ObjectId>> unanswered_;  // asked for and not told yet
  Lifetime alive_;
};

}  // namespace mobula::core_worker
