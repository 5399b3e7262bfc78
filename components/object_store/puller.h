/// \file
/// \brief Brings objects of other nodes here, when the store of this node has no copy.
#pragma once

#include <functional>

#include "components/base/ids.h"
#include "components/base/result.h"
#include "components/object_store/store_client.h"

namespace mobula::object_store {

/// One caller that waits for an object.
struct PullWaiter {
  /// Runs once, never inside `Pull`. On success the object is sealed here and stays at least until
  /// this returns: pin it inside.
  Done<void> done;
  /// True when the caller is gone; asked between steps. Null: the answer is always wanted.
  std::function<bool()> is_abandoned;
};

/// Threads: the state lock.
class Puller {
 public:
  virtual ~Puller() = default;
  /// Makes a sealed copy here. Pulls of one object are joined; their hints add up.
  /// kNotFound if each node of the hint has it not, has left, or was out of reach for long;
  /// kStoreFull if it does not fit here; kCancelled after `Stop`.
  virtual void Pull(const ObjectId& id, const ObjectHint& hint, PullWaiter waiter) = 0;
  /// Fails all waiters and stops moving bytes. Twice is harmless.
  virtual void Stop() = 0;
};

}  // namespace mobula::object_store
