/// \file
/// \edge
/// \brief Holds that user threads dropped and the reference table has not counted yet.
///
/// A user may drop the last `ObjectRef` of an object on any thread, without the state lock. The
/// drop is noted here; the table counts all of them at the end of the loop's turn. References may
/// outlive the table (a program keeps one over `Shutdown`): this object then frees them, or keeps
/// the memory that they are part of.
#pragma once

#include <functional>
#include <mutex>
#include <utility>
#include <vector>

#include "components/core_worker/owner/by_id.h"
#include "components/core_worker/owner/owned_object.h"

namespace mobula::core_worker {

/// Threads: `Add` any; all else with the state lock. Owners: the table, and every `Owner` whose
/// references are dropped here.
class DroppedHolds {
 public:
  enum class Side : bool { kOwned, kBorrowed };
  /// \param schedule called with the first hold that is added after a `TakeAll`, on its thread.
  explicit DroppedHolds(std::function<void()> schedule) : schedule_(std::move(schedule)) {}

  /// The last share of `reference` was dropped.
  void Add(internal::Reference& reference, Side side) {
    const std::lock_guard lock(mutex_);
    if (schedule_) {
      references_.push_back(&reference);
      if (references_.size() == 1) schedule_();
    } else if (side == Side::kOwned) {
      reference.owner.reset();  // nobody counts any more; its memory is part of `owned`
    } else {
      delete &reference;
    }
  }
  [[nodiscard]] std::vector<const internal::Reference*> TakeAll() {
    const std::lock_guard lock(mutex_);
    return std::exchange(references_, {});
  }
  /// The table stops: what is dropped from now on is not counted. \return as `TakeAll`.
  [[nodiscard]] std::vector<const internal::Reference*> Close() {
    const std::lock_guard lock(mutex_);
    schedule_ = nullptr;
    return std::exchange(references_, {});
  }

  SetById<OwnedObject> owned;  ///< Of the table; what it abandons are references that outlive it.

 private:
  std::mutex mutex_;
  std::vector<const internal::Reference*> references_;
  std::function<void()> schedule_;  // null: the table has stopped
};

}  // namespace mobula::core_worker
