/// \file
/// \brief What `ReferenceTable` keeps of one object, one borrower, one owner.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/ids.h"
#include "components/base/lifetime.h"
#include "components/base/payload.h"
#include "components/core_worker/owner/by_id.h"
#include "components/protocol/owner.pb.h"
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

using internal::OwnerPtr;

/// Names one waiting callback. 0: none.
using WatchId = std::uint64_t;

/// Learns which of many objects became known: one blocked call, however many it waits for.
/// Threads: the state lock. Lifetime: forgets what it waits for when it is destroyed.
class WaitSet {
 public:
  /// \param changed notified when something became known. \param size indexes are below it.
  WaitSet(WaitPoint& changed, std::size_t size) : changed_(changed), size_(size) {}
  ~WaitSet();
  WaitSet(const WaitSet&) = delete;
  WaitSet& operator=(const WaitSet&) = delete;
  /// \return the indexes of what became known since the last call.
  [[nodiscard]] std::vector<std::size_t> TakeReady() { return std::exchange(ready_, {}); }

  /// One place in the list of an object.
  struct Node {
    WaitSet* set = nullptr;
    Node* next = nullptr;
    Node** from = nullptr;  ///< What points to it. Null: in no list.
  };

 private:
  friend class WaitList;
  WaitPoint& changed_;
  std::size_t size_;
  std::vector<Node> nodes_;  // by index, as soon as one is needed
  std::vector<std::size_t> ready_;
};

/// Whom an object tells when it is known.
class WaitList {
 public:
  WaitList() = default;
  ~WaitList();
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;
  void TakeFrom(WaitList& other);  ///< \pre empty.
  void Add(WaitSet& set, std::size_t index);
  void Tell();  ///< And forgets them.

 private:
  WaitSet::Node* first_ = nullptr;
};

/// What few objects of ours need: most are values or not there yet, and nobody else knows them.
struct OwnedDetails {
  ObjectState state;
  WaitList waiting;
  std::size_t lineage = 0;
  std::set<WorkerId> borrowers;
  std::set<std::string> doubted;  // raylets said to have no copy: told to free it all the same
  std::vector<internal::ReferencePtr> contained;
  std::vector<WatchId> watches;
  std::vector<rpc::Peer*> remote_watchers;
};
/// One object of ours, and the reference to it that all of this process share. There may be
/// millions: with a small value, or none yet, it is 48 bytes and nothing besides.
class OwnedObject final : public internal::Reference {
 public:
  static constexpr std::size_t kSmallMax = 12;  ///< Bytes of a value that is in here.
  OwnedObject(const ObjectId& object, OwnerPtr us) : Reference(object, std::move(us)), waiting_() {}
  ~OwnedObject() { Clear(); }
  /// \return what `reference` is. \pre its owner is the table.
  static OwnedObject* Of(const Reference& reference) {
    return static_cast<OwnedObject*>(const_cast<Reference*>(&reference));
  }
  [[nodiscard]] ObjectState State() const;
  void SetState(ObjectState state);  ///< Tells who waits, unless it is `Pending` now.
  [[nodiscard]] bool IsPending() const {
    return kind_ == kDetailed ? details_->state.index() == 0 : kind_ == kPending;
  }
  /// \pre IsPending.
  [[nodiscard]] WaitList& Waiting() { return kind_ == kDetailed ? details_->waiting : waiting_; }
  [[nodiscard]] OwnedDetails* Details() const { return kind_ == kDetailed ? details_ : nullptr; }
  [[nodiscard]] OwnedDetails& MakeDetails();
  [[nodiscard]] InStore* Stored() const {
    return Details() != nullptr ? std::get_if<InStore>(&details_->state) : nullptr;
  }
  [[nodiscard]] bool IsHeld() const {
    return holds > 0 || (Details() != nullptr && !details_->borrowers.empty());
  }
  void Clear();  ///< Forgets state and details.

  std::uint32_t holds : 24 = 0;       // times that `shares` began, whose ends are not counted yet
  std::uint32_t is_released : 1 = 0;  // value freed; only lineage keeps the entry

 private:
  enum Kind : std::uint32_t { kPending, kSmall, kValue, kDetailed } kind_ : 2 = kPending;
  std::uint32_t small_size_ : 4 = 0;
  std::array<char, 4> small_begin_{};
  union {
    WaitList waiting_;
    std::array<char, 8> small_end_;
    Payload* value_;
    OwnedDetails* details_;
  };
};
static_assert(sizeof(OwnedObject) == 48);

/// One object of another process.
struct BorrowedObject {
  OwnerPtr owner;
  ObjectState state;
  std::size_t holds = 0;
  bool is_asked = false;      // a Watch is on its way or waiting at the owner
  bool is_releasing = false;  // no hold left; the owner is told after the barrier
  std::vector<WatchId> watches;
  WaitList waiting;
};
/// Our dealings with one owner process. Outlives its clients, which may serve others too: each that
/// gives up is replaced until the owner is reached, is known to be dead, or was away for too long.
struct BorrowLink {
  OwnerPtr owner;
  protocol::Address address;            // the same, decoded
  std::shared_ptr<rpc::Client> client;  // owners: the pool and this link
  std::optional<TimePoint> away_since;  // the first client gave up; none was connected since
  std::set<ObjectId> borrowed;
  std::vector<ObjectId> to_add, to_watch;
  std::set<ObjectId> to_remove;
  protocol::ReportCopiesRequest report;
  std::uint64_t failed_batch = 0;  // the oldest registration to make again; 0: none
  Lifetime alive;
};
/// One process that borrows from us.
struct Borrower {
  rpc::Peer* peer = nullptr;  // null while its connection is lost
  std::set<ObjectId> ids;
  std::unique_ptr<Timer> grace;
};
/// Holds that were dropped, on any thread, and not counted yet. Owners: the table and whatever
/// references outlive it, which are inert then.
struct ReleaseQueue {
  SetById<OwnedObject> owned;  // of the table; what it abandons are references that outlive it
  std::mutex mutex;
  std::vector<const internal::Reference*> references;
  std::function<void()> schedule;  // null: the table is gone
};

}  // namespace mobula::core_worker
