/// \file
/// \brief Who holds which object, what its owner knows of it, and when it may be freed.
///
/// Ownership (NSDI'21): the process that creates an `ObjectRef` owns the object's metadata: its
/// value or where copies are, and who holds it. All others are borrowers. This table is both sides
/// of that.
///
/// *Counts of an owned object*: local references, unfinished tasks it was submitted to, values that
/// contain it, borrowing processes; and separately the tasks whose lineage needs it. When the first
/// four are zero, its copies are freed everywhere; when lineage is zero too, it is forgotten.
///
/// *Hand over hand*: who passes a reference on keeps holding it until the receiver has registered
/// with the owner. A submitter holds arguments until the task's reply; a worker delays that reply,
/// and its own releases, until its registrations are acknowledged (`AfterBorrowsAcknowledged`); a
/// worker holds references inside its results until the receiver says `ReleaseHandoff`. So no count
/// ever reaches zero while a reference is on its way.
///
/// *Owner death*: a borrower that cannot reach the owner's process asks its raylet. If the process
/// or its node is known to be dead, the object turns into kOwnerDied, with how it ended. Until then
/// the owner is only away: it is tried again, and what waits for it waits, registrations included,
/// for `owner_away_max` at most; then the object turns into kUnavailable. An owner drops the
/// borrows of a process whose connection is lost and does not come back within `borrower_grace`.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/reference_entries.h"
#include "components/protocol/owner.pb.h"

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
  /// What the rest of the core worker wants to hear.
  struct Hooks {
    /// The last copy of an owned object is gone while it is wanted. Make it again or `SetFailed`.
    std::function<void(const ObjectId&)> on_lost;
    /// Nobody holds the object and no lineage needs it: copies are being freed, the id is
    /// forgotten.
    std::function<void(const ObjectId&)> on_released;
  };

  ReferenceTable(Deps deps, Config config, Hooks hooks);
  ~ReferenceTable();

  /// Who we are; known after registration and before any reference is made.
  void SetSelf(const protocol::Address& self);

  // ---- objects we own ----
  /// \pre not present. \return the first hold on it.
  [[nodiscard]] internal::ReferencePtr NewOwned(const ObjectId& id, ObjectState state = {},
                                                std::vector<internal::ReferencePtr> contained = {});
  /// The object has this value now. `contained` stay held while the value lives. Resolves watchers.
  /// Ignored if `id` was released meanwhile (its copies are freed then).
  void SetState(const ObjectId& id, ObjectState state,
                std::vector<internal::ReferencePtr> contained = {});
  /// The same, unless it has a value or an error already.
  void SetIfPending(const ObjectId& id, ObjectState state,
                    std::vector<internal::ReferencePtr> contained = {});
  /// Back to `Pending`, for an object that is being made again.
  void SetPending(const ObjectId& id);
  /// A node has a copy, or is dead, with its copies and owners. Losing the last copy of a wanted
  /// object calls `on_lost`.
  void AddCopy(const ObjectId& id, const NodeId& node, std::string raylet_endpoint);
  void DropNode(const NodeId& node, std::string_view reason);
  /// Holds by lineage: the id stays known although its value may be freed.
  void AddLineage(const ObjectId& id);
  void RemoveLineage(const ObjectId& id);
  [[nodiscard]] bool IsOwned(const ObjectId& id) const;
  /// \return whether this process owns or borrows it.
  [[nodiscard]] bool IsKnown(const ObjectId& id) const;
  /// \return objects we own that a process other than us holds; then we must not exit.
  [[nodiscard]] std::size_t LentCount() const;

  // ---- any object ----
  /// A hold that counts as one local reference and is released when the last share is dropped.
  /// An `owner` other than us makes us a borrower.
  [[nodiscard]] internal::ReferencePtr Hold(const ObjectId& id, const OwnerPtr& owner);
  /// \return the shared encoding of an address that arrived in a message.
  [[nodiscard]] OwnerPtr Intern(std::string_view encoded_address);

  /// \return what we know now; `Pending` for what we have not asked about.
  [[nodiscard]] ObjectState Peek(const ObjectId& id) const;
  /// Calls back once with a state that is not `Pending`, on the loop, never inside this call,
  /// asking the owner if that is someone else. \pre held.
  WatchId Watch(const ObjectId& id, std::function<void(const ObjectId&, const ObjectState&)> done);
  void Unwatch(WatchId watch);
  /// \return as `Peek`; nullopt if that is `Pending`: `waits` is told of `index`, once, when it is
  ///         not any more, and the owner is asked. `Pending` for what is not known here.
  [[nodiscard]] std::optional<ObjectState> PeekOrAwait(const internal::Reference& reference,
                                                       WaitSet& waits, std::size_t index);
  /// A copy we were told of is not there. Tells the owner (or ourselves) and forgets what we knew;
  /// watch again for the news.
  void ReportMissing(const ObjectId& id, std::vector<std::string> raylet_endpoints);
  /// Our node has a copy now; the owner is told, batched if it is someone else.
  void ReportCopy(const ObjectId& id, const NodeId& node, const std::string& raylet_endpoint);

  /// Runs `next` when every registration begun so far is acknowledged, or its owner is given up; at
  /// once, inside this call, if there is none outstanding.
  void AfterBorrowsAcknowledged(std::move_only_function<void()> next);

  // ---- plumbing ----
  /// Adds the handlers of OwnerService.
  void AddHandlers(rpc::ServiceTable& services);
  /// A process is no longer connected to us.
  void OnPeerClosed(rpc::Peer& peer);
  void Stop();
  /// Sizes for tests, `status` and leak checks.
  struct Census {
    std::size_t owned = 0, borrowed = 0, watches = 0;
    std::uint64_t inline_bytes = 0;
  };
  [[nodiscard]] Census Count() const;
  void CheckInvariants() const;

 private:
  using OnState = std::function<void(const ObjectId&, const ObjectState&)>;
  struct Waiting {
    ObjectId id;
    OnState done;
  };

  // references.cc: holds and watches
  void DrainReleases();
  enum class Kind : bool { kOwned, kBorrowed };
  OwnerPtr NewOwner(std::string_view encoded, Kind kind);
  void Wake(std::vector<WatchId> ids);
  void RunWatches(const std::vector<WatchId>& ids);

  // owned.cc: what we own
  internal::ReferencePtr Hold(OwnedObject& entry);
  void RemoveCopies(const ObjectId& id,
                    const std::function<bool(const NodeId&, const std::string&)>& gone);
  void DoubtCopies(const ObjectId& id, const std::vector<std::string>& raylet_endpoints);
  void Set(OwnedObject& entry, ObjectState state, std::vector<internal::ReferencePtr> contained);
  void ReleaseIfUnheld(OwnedObject& entry);
  void Forget(OwnedObject& entry);
  void FreeCopies(const ObjectId& id, const InStore* stored);
  void TellWatchers(OwnedObject& entry);
  void HandleWatch(const protocol::WatchRequest& request, rpc::Peer* peer);
  void AnswerWatches(rpc::Peer* peer);
  void HandleAddBorrows(const protocol::AddBorrowsRequest& request, rpc::Peer* peer);
  void HandleRemoveBorrows(const protocol::RemoveBorrowsRequest& request);
  void HandleReportCopies(const protocol::ReportCopiesRequest& request);
  void DropBorrower(const WorkerId& borrower);
  void RemoveBorrow(const ObjectId& id, const WorkerId& borrower);

  // borrowed.cc: what we borrow
  BorrowedObject& AddBorrowed(const ObjectId& id, const OwnerPtr& owner);
  void ReleaseBorrowed(const ObjectId& id, BorrowedObject& entry);
  void FinishRelease(const ObjectId& id);
  void AskOwner(const ObjectId& id, BorrowedObject& entry);
  void HandleStatus(const protocol::StatusRequest& request);
  BorrowLink& LinkTo(const OwnerPtr& owner);
  void Connect(BorrowLink& link);
  void Flush(BorrowLink& link);
  void SendAdds(BorrowLink& link);
  void OnAdded(const std::string& owner, std::uint64_t batch,
               const Result<protocol::NoReply>& reply);
  void ScheduleFlush();
  void FlushAll();
  void OnLinkConnected(BorrowLink& link);
  void OnLinkGone(BorrowLink& link, const Error& reason);
  void EndLink(BorrowLink& link, ErrorCode code, std::string_view why);
  void FinishBatch(std::uint64_t batch);
  void Resolve(BorrowedObject& entry, ObjectState state);

  Deps deps_;
  Config config_;
  Hooks hooks_;
  protocol::Address self_;
  OwnerPtr self_owner_;  // of exactly what is in `owned_`
  std::unordered_map<ObjectId, BorrowedObject> borrowed_;
  std::unordered_map<WatchId, Waiting> watches_;
  WatchId last_watch_ = 0;
  std::map<std::string, OwnerPtr, std::less<>> interned_;
  std::size_t interned_prune_at_ = 64;
  std::shared_ptr<ReleaseQueue> released_ = std::make_shared<ReleaseQueue>();
  SetById<OwnedObject>& owned_ = released_->owned;

  // As owner.
  std::map<WorkerId, Borrower> borrowers_;
  std::map<std::string, std::vector<ObjectId>> to_free_;   // by raylet endpoint
  std::map<rpc::Peer*, std::deque<ObjectId>> unanswered_;  // asked for and not told yet

  // As borrower: links and the barrier.
  std::map<std::string, BorrowLink, std::less<>> links_;  // by encoded address: a stable order
  std::multiset<std::uint64_t> batches_;  // registrations that are not answered, by message
  std::uint64_t last_batch_ = 0;
  std::deque<std::pair<std::uint64_t, std::move_only_function<void()>>> after_;
  bool is_flush_due_ = false;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
