/// \file
/// \brief One object of ours: its value or where it is, and who waits for it.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "components/core_worker/owner/object_state.h"
#include "components/core_worker/owner/wait_set.h"
#include "components/transport/rpc/peer.h"
#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

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
  void SetState(ObjectState state);  ///< Tells blocked calls, unless it is `Pending` now.
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

}  // namespace mobula::core_worker
