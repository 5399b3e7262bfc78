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
/// *Owner death*: a borrower that cannot reach the owner's process turns the object into
/// kOwnerDied, with how it ended if it was on this node; nobody hangs. An owner drops the borrows
/// of a process whose connection is lost and does not come back within `borrower_grace`.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/event_loop.h"
#include "components/base/ids.h"
#include "components/base/payload.h"
#include "components/core_worker/worker.pb.h"
#include "components/transport/rpc/client_pool.h"
#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

/// An object that is not there yet.
struct Pending {};
/// A value too large to travel inline: which nodes have a copy.
struct InStore {
  std::uint64_t size_bytes = 0;
  std::map<NodeId, std::string> copies;  ///< Node → endpoint of its raylet.
};
/// What is known of an object: nothing yet, its value, where it is, or why there is none.
using ObjectState = std::variant<Pending, Payload, InStore, Error>;

/// Encodes an `Address` once; equal processes share one string.
using OwnerPtr = std::shared_ptr<const std::string>;

/// Names one waiting callback. 0: none.
using WatchId = std::uint64_t;

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
  void SetSelf(const Address& self);
  [[nodiscard]] const OwnerPtr& self() const;

  // ---- objects we own ----
  /// \pre not present. Starts `Pending` with no holder; take a reference before yielding.
  void AddOwned(const ObjectId& id);
  /// The object has this value now. `contained` stay held while the value lives. Resolves watchers.
  /// Ignored if `id` was released meanwhile (its copies are freed then).
  void SetState(const ObjectId& id, ObjectState state,
                std::vector<internal::ReferencePtr> contained = {});
  /// The same, unless it has a value or an error already.
  void SetIfPending(const ObjectId& id, ObjectState state,
                    std::vector<internal::ReferencePtr> contained = {});
  /// Back to `Pending`, for an object that is being made again.
  void SetPending(const ObjectId& id);
  /// A node has, or has lost, a copy. Losing the last one of a wanted object calls `on_lost`.
  void AddCopy(const ObjectId& id, const NodeId& node, std::string raylet_endpoint);
  void RemoveCopies(const ObjectId& id, std::span<const std::string> raylet_endpoints);
  void DropNode(const NodeId& node);
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
  [[nodiscard]] internal::ReferencePtr Hold(const ObjectId& id, OwnerPtr owner);
  /// \return the shared encoding of an address that arrived in a message.
  [[nodiscard]] OwnerPtr Intern(std::string_view encoded_address);

  /// \return what we know now; `Pending` for what we have not asked about.
  [[nodiscard]] ObjectState Peek(const ObjectId& id) const;
  /// Calls back once with a state that is not `Pending`, on the loop, never inside this call,
  /// asking the owner if that is someone else. \pre held.
  WatchId Watch(const ObjectId& id, std::function<void(const ObjectId&, const ObjectState&)> done);
  void Unwatch(WatchId watch);
  /// A copy we were told of is not there. Tells the owner (or ourselves) and forgets what we knew;
  /// watch again for the news.
  void ReportMissing(const ObjectId& id, std::vector<std::string> raylet_endpoints);
  /// Our node has a copy of a borrowed object now; the owner is told, batched.
  void ReportCopy(const ObjectId& id, const NodeId& node, const std::string& raylet_endpoint);

  /// Runs `next` when every registration begun so far is acknowledged or has failed; at once,
  /// inside this call, if there is none outstanding.
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
  class Impl;  ///< reference_table.h

 private:
  std::shared_ptr<Impl> impl_;  // owners: this table; references hold it weakly
};

}  // namespace mobula::core_worker
