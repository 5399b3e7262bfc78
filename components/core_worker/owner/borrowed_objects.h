/// \file
/// \brief What this process knows of objects that others own.
///
///     Hold ─► borrowed: registered with the owner ──asked──► state told (asked again if its copies
///                │   ▲                                                  turn out to be gone)
///     last hold dropped, held again
///                ▼   │
///             releasing ──all registrations answered──► the owner is told; forgotten
#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "components/base/lifetime.h"
#include "components/core_worker/owner/object_state.h"
#include "components/core_worker/owner/owner_links.h"
#include "components/core_worker/owner/wait_set.h"
#include "components/core_worker/owner/watches.h"
#include "components/protocol/owner.pb.h"
#include "components/transport/rpc/service_table.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: links and watches outlive it.
class BorrowedObjects {
 public:
  BorrowedObjects(OwnerLinks& links, Watches& watches) : links_(links), watches_(watches) {}

  /// One more hold; the first one registers us with the owner.
  void Hold(const ObjectId& id, const OwnerPtr& owner);
  /// One hold less. The owner is told of the last one, once it knows all that we borrow: what held
  /// this object may itself have been borrowed with it.
  void Drop(const ObjectId& id);
  [[nodiscard]] bool Has(const ObjectId& id) const { return objects_.contains(id); }
  [[nodiscard]] std::size_t size() const { return objects_.size(); }

  /// \return what we know now; `Pending` for what we have not asked about, or do not borrow.
  [[nodiscard]] ObjectState Peek(const ObjectId& id) const;
  /// As `ReferenceTable::PeekOrAwait`.
  [[nodiscard]] std::optional<ObjectState> PeekOrAwait(const ObjectId& id, WaitSet& waits,
                                                       std::size_t index);
  /// Wakes `watch` when the object is known, and asks the owner. Never, if it is not borrowed.
  void AddWatch(const ObjectId& id, WatchId watch);
  /// Asks the owner, unless it was asked before. Nothing happens if it is not borrowed.
  void Ask(const ObjectId& id);
  /// \return whether the owner was asked and has not told.
  [[nodiscard]] bool IsAsked(const ObjectId& id) const;
  /// The owner told this, or is lost. Ignored if the object was released meanwhile.
  void SetState(const ObjectId& id, ObjectState state);

  /// A copy we were told of is not there: what we knew is forgotten, and the owner is told.
  void ReportMissing(const ObjectId& id, std::vector<std::string> raylet_endpoints);
  /// Our node has a copy now.
  void ReportCopy(const ObjectId& id, const NodeId& node, const std::string& raylet_endpoint);
  /// Copies on a dead node are gone.
  void DropNode(const NodeId& node);

  /// Adds what owners call.
  void AddHandlers(rpc::ServiceTable& services);
  void Stop();
  void CheckInvariants() const;

 private:
  struct Borrowed {
    OwnerPtr owner;
    ObjectState state;
    std::size_t holds = 0;
    bool is_asked = false;
    bool is_releasing = false;  // no hold left; the owner is told after the barrier
    std::vector<WatchId> watches;
    WaitList waiting;
  };
  void Ask(const ObjectId& id, Borrowed& object);
  void FinishRelease(const ObjectId& id);

  OwnerLinks& links_;
  Watches& watches_;
  std::unordered_map<ObjectId, Borrowed> objects_;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
