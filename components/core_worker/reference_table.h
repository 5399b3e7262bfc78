/// \file
/// \brief The insides of `ReferenceTable`: what we own (owned.cc) and what we borrow (borrowed.cc).
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "components/base/lifetime.h"
#include "components/core_worker/references.h"

namespace mobula::core_worker {

/// Threads: the state lock, except `QueueRelease`.
class ReferenceTable::Impl : public std::enable_shared_from_this<ReferenceTable::Impl> {
 public:
  Impl(Deps deps, Config config, Hooks hooks);

  // ---- holds (references.cc) ----
  internal::ReferencePtr Hold(const ObjectId& id, OwnerPtr owner);
  void QueueRelease(const ObjectId& id);  // any thread
  void DrainReleases();
  OwnerPtr Intern(std::string_view encoded);
  ObjectState Peek(const ObjectId& id) const;
  WatchId Watch(const ObjectId& id, std::function<void(const ObjectId&, const ObjectState&)> done);
  void Unwatch(WatchId watch);
  void Wake(std::vector<WatchId> ids);
  void RunWatches(const std::vector<WatchId>& ids);
  void Stop();

  // ---- what we own (owned.cc) ----
  struct Owned {
    ObjectState state;
    std::size_t holds = 0;  // of this process: user references, submissions, containers
    std::size_t lineage = 0;
    bool released = false;  // value freed; only lineage keeps the entry
    std::set<WorkerId> borrowers;
    std::set<std::string> doubted;  // raylets said to have no copy: told to free it all the same
    std::vector<internal::ReferencePtr> contained;
    std::vector<WatchId> watches;
    std::vector<rpc::Peer*> remote_watchers;
  };
  void AddOwned(const ObjectId& id);
  void SetState(const ObjectId& id, ObjectState state, std::vector<internal::ReferencePtr> held);
  void SetIfPending(const ObjectId& id, ObjectState state,
                    std::vector<internal::ReferencePtr> held);
  void SetPending(const ObjectId& id);
  void AddCopy(const ObjectId& id, const NodeId& node, std::string endpoint);
  void RemoveCopies(const ObjectId& id,
                    const std::function<bool(const NodeId&, const std::string&)>& gone);
  void DoubtCopies(const ObjectId& id, const std::vector<std::string>& raylet_endpoints);
  void DropNode(const NodeId& node);
  void AddLineage(const ObjectId& id);
  void RemoveLineage(const ObjectId& id);
  void ReleaseIfUnheld(const ObjectId& id, Owned& entry);
  void FreeCopies(const ObjectId& id, const ObjectState& state);
  void TellWatchers(const ObjectId& id, Owned& entry);
  void HandleWatch(const WatchRequest& request, rpc::Peer* peer);
  AddBorrowsReply HandleAddBorrows(const AddBorrowsRequest& request, rpc::Peer* peer);
  void HandleRemoveBorrows(const RemoveBorrowsRequest& request);
  void HandleReportCopies(const ReportCopiesRequest& request);
  void OnPeerClosed(rpc::Peer* peer);
  void DropBorrower(const WorkerId& borrower);
  void RemoveBorrow(const ObjectId& id, const WorkerId& borrower);
  [[nodiscard]] std::size_t LentCount() const;

  // ---- what we borrow (borrowed.cc) ----
  struct Borrowed {
    OwnerPtr owner;
    ObjectState state;
    std::size_t holds = 0;
    bool is_asked = false;      // a Watch is on its way or waiting at the owner
    bool is_releasing = false;  // no hold left; the owner is told after the barrier
    std::vector<WatchId> watches;
  };
  /// Our dealings with one owner process. Lives as long as its client, which may serve others too.
  struct Link {
    std::shared_ptr<rpc::Client> client;  // owners: the pool and this link
    std::set<ObjectId> borrowed;
    std::vector<ObjectId> to_add, to_watch;
    std::set<ObjectId> to_remove;
    ReportCopiesRequest report;
    bool is_gone = false;
  };
  Borrowed& AddBorrowed(const ObjectId& id, const OwnerPtr& owner);
  void ReleaseBorrowed(const ObjectId& id, Borrowed& entry);
  void FinishRelease(const ObjectId& id);
  void AskOwner(const ObjectId& id, Borrowed& entry);
  void HandleStatus(const StatusRequest& request);
  void ReportMissing(const ObjectId& id, std::vector<std::string> endpoints);
  void ReportCopy(const ObjectId& id, const NodeId& node, const std::string& endpoint);
  void AfterBorrowsAcknowledged(std::move_only_function<void()> next);
  Link& LinkTo(const OwnerPtr& owner);
  void Flush(Link& link);
  void SendAdds(Link& link);
  void ScheduleFlush();
  void FlushAll();
  void OnLinkConnected(const OwnerPtr& owner);
  void OnLinkGone(const OwnerPtr& owner, const Error& reason);
  void FinishBatch(std::uint64_t batch);
  void Resolve(const ObjectId& id, Borrowed& entry, ObjectState state);

  Deps deps;
  Config config;
  Hooks hooks;
  Address self;
  OwnerPtr self_encoded;
  bool stopped = false;

  std::unordered_map<ObjectId, Owned> owned;
  std::unordered_map<ObjectId, Borrowed> borrowed;
  struct Waiting {
    ObjectId id;
    std::function<void(const ObjectId&, const ObjectState&)> done;
  };
  std::unordered_map<WatchId, Waiting> watches;
  WatchId last_watch = 0;
  std::map<std::string, std::weak_ptr<const std::string>, std::less<>> interned;
  std::size_t interned_prune_at = 64;

  // Borrowing processes, as owner.
  struct Borrower {
    rpc::Peer* peer = nullptr;  // null while its connection is lost
    std::set<ObjectId> ids;
    std::unique_ptr<Timer> grace;
  };
  std::map<WorkerId, Borrower> borrowers;
  std::map<std::string, std::vector<ObjectId>> to_free;  // by raylet endpoint

  // Links and the barrier, as borrower.
  std::map<std::string, Link, std::less<>> links;  // by encoded address: a stable order
  std::set<std::uint64_t> batches;                 // registrations sent and not yet answered
  std::uint64_t last_batch = 0;
  std::deque<std::pair<std::uint64_t, std::move_only_function<void()>>> after;
  bool flush_scheduled = false;

  // Releases from any thread.
  std::mutex release_mutex;
  std::vector<ObjectId> released;
  Lifetime alive;
};

}  // namespace mobula::core_worker
