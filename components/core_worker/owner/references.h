/// \file
/// \brief Who holds which object, what its owner knows of it, and when it may be freed.
///
/// Ownership (NSDI'21): the process that creates an `ObjectRef` owns the object's metadata: its
/// value or where copies are, and who holds it. All others are borrowers. Every process is both:
/// `OwnedObjects` are its own, `BorrowedObjects` are those of others, and this table is the way to
/// an object for callers to whom it makes no difference whose it is.
///
/// *Counts of an owned object*: local references, unfinished tasks it was submitted to, values that
/// contain it, borrowing processes; and separately the tasks whose lineage needs it. When the first
/// four are zero, its copies are freed everywhere; when lineage is zero too, it is forgotten.
///
/// *Hand over hand*: a process that passes a reference on keeps holding it until the receiver has
/// registered with the owner. A submitter holds arguments until the task's reply; a worker delays
/// that reply, and its own releases, until its registrations are acknowledged
/// (`AfterBorrowsAcknowledged`); a worker holds references inside its results until the receiver
/// says `ReleaseHandoff`. So no count ever reaches zero while a reference is on its way.
///
/// *Owner death*: a borrower that cannot reach the owner's process asks its raylet. If the process
/// or its node is known to be dead, the object turns into kOwnerDied, with how it ended. Until then
/// the owner is only away: it is tried again, and what waits for it waits, registrations included,
/// for `owner_away_max` at most; then the object turns into kUnavailable. An owner drops the
/// borrows of a process whose connection is lost and does not come back within `borrower_grace`.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/borrowed_objects.h"
#include "components/core_worker/owner/dropped_holds.h"
#include "components/core_worker/owner/owned_objects.h"
#include "components/core_worker/owner/owner_links.h"
#include "components/core_worker/owner/watches.h"

namespace mobula::core_worker {

/// The references of one process.
///
/// Threads: the state lock; `ReferencePtr`s may be dropped on any thread.
/// Lifetime: everything in `Deps` outlives it; references may outlive it and are inert then.
class ReferenceTable {
 public:
  struct Deps {
    EventLoop& loop;
    rpc::ClientPool& peers;  ///< To owners, borrowers and raylets, by endpoint.
    rpc::Client& raylet;     ///< Of this node: knows how its processes end.
    EventLog& log;
  };
  struct Config {
    Duration borrower_grace = std::chrono::seconds(5);
    Duration owner_away_max = std::chrono::seconds(60);
    std::size_t batch_ids_max = 10'000;  ///< Ids in one message.
  };

  ReferenceTable(Deps deps, Config config, OwnedObjects::Hooks hooks);
  ~ReferenceTable();

  /// Who we are; known after registration and before any reference is made.
  void SetSelf(const protocol::Address& self);

  /// A new object of ours. \pre not present. \return the first hold on it.
  [[nodiscard]] internal::ReferencePtr NewOwned(const ObjectId& id, ObjectState state = {},
                                                std::vector<internal::ReferencePtr> contained = {});
  /// What only an owner does with objects.
  [[nodiscard]] OwnedObjects& owned() { return owned_; }
  [[nodiscard]] const OwnedObjects& owned() const { return owned_; }

  // ---- any object ----
  /// \return whether this process owns or borrows it.
  [[nodiscard]] bool IsKnown(const ObjectId& id) const;
  /// A hold that counts as one local reference and is released when the last share is dropped.
  /// An `owner` other than us makes us a borrower.
  [[nodiscard]] internal::ReferencePtr Hold(const ObjectId& id, const OwnerPtr& owner);
  /// \return the shared encoding of an address that arrived in a message.
  [[nodiscard]] OwnerPtr Intern(std::string_view encoded_address);

  /// \return what we know now; `Pending` for what we have not asked about.
  [[nodiscard]] ObjectState Peek(const ObjectId& id) const;
  /// Calls back once with a state that is not `Pending`, on the loop, never inside this call,
  /// asking the owner if that is someone else. \pre held.
  WatchId Watch(const ObjectId& id, Watches::OnState done);
  void Unwatch(WatchId watch) { watches_.Remove(watch); }
  /// Begins to find out, or to make it again if it was freed. \pre held.
  void Want(const ObjectId& id);
  /// \return as `Peek`; nullopt if that is `Pending`: `waits` is told of `index`, once, when it is
  ///         not any more, and the owner is asked. `Pending` for what is not known here.
  [[nodiscard]] std::optional<ObjectState> PeekOrAwait(const internal::Reference& reference,
                                                       WaitSet& waits, std::size_t index);
  /// A copy we were told of is not there. Tells the owner (or ourselves) and forgets what we knew;
  /// watch again for the news.
  void ReportMissing(const ObjectId& id, std::vector<std::string> raylet_endpoints);
  /// A node has a copy now; the owner is told, batched if it is someone else.
  void ReportCopy(const ObjectId& id, const NodeId& node, const std::string& raylet_endpoint);
  /// A node is dead, with its copies and owners. Losing the last copy of a wanted object of ours
  /// calls `on_lost`.
  void DropNode(const NodeId& node, std::string_view reason);

  /// Runs `next` when every registration begun so far is acknowledged, or its owner is given up; at
  /// once, inside this call, if there is none outstanding.
  void AfterBorrowsAcknowledged(std::move_only_function<void()> next);

  // ---- plumbing ----
  /// Adds the handlers of OwnerService.
  void AddHandlers(rpc::ServiceTable& services);
  /// A process is no longer connected to us.
  void OnPeerClosed(rpc::Peer& peer) { owned_.OnPeerClosed(peer); }
  void Stop();
  /// Sizes for tests, `status` and leak checks.
  struct Census {
    std::size_t owned = 0, borrowed = 0, watches = 0;
    std::uint64_t inline_bytes = 0;
  };
  [[nodiscard]] Census Count() const;
  void CheckInvariants() const;

 private:
  OwnerPtr NewOwner(std::string_view encoded, DroppedHolds::Side side);
  void CountDropped();
  void AddWatch(const ObjectId& id, WatchId watch);

  EventLoop& loop_;
  OwnerPtr self_owner_;  // of exactly what is in `owned_`
  std::map<std::string, OwnerPtr, std::less<>> interned_;
  std::size_t interned_prune_at_ = 64;
  std::shared_ptr<DroppedHolds> dropped_;  // owners: this, and every `Owner` made here
  Watches watches_;
  OwnedObjects owned_;
  OwnerLinks links_;
  BorrowedObjects borrowed_;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
