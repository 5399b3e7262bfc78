/// \file
/// \brief Callbacks that wait for an object to be known, ours or another's.
#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/object_state.h"

namespace mobula::core_worker {

/// Each object keeps the numbers of its watches; this keeps what they call. So a watch can be taken
/// away without a search through the object's list.
///
/// Threads: the state lock.
class Watches {
 public:
  using OnState = std::function<void(const ObjectId&, const ObjectState&)>;
  struct Objects {
    std::function<ObjectState(const ObjectId&)> state_of;
    /// Adds a watch to the list of an object, or wakes it if the object is known.
    std::function<void(const ObjectId&, WatchId)> add_to;
  };
  Watches(EventLoop& loop, Objects objects) : loop_(loop), objects_(std::move(objects)) {}

  /// Calls `done` once, on the loop, with a state that is not `Pending`.
  WatchId Add(const ObjectId& id, OnState done);
  /// Unknown watches are fine.
  void Remove(WatchId watch) { waiting_.erase(watch); }
  /// The object of these is known.
  void Wake(std::vector<WatchId> watches);
  [[nodiscard]] std::size_t size() const { return waiting_.size(); }
  void Stop();

 private:
  struct Waiting {
    ObjectId id;
    OnState done;
  };
  void Run(const std::vector<WatchId>& watches);

  EventLoop& loop_;
  Objects objects_;
  std::unordered_map<WatchId, Waiting> waiting_;  // found, never walked
  WatchId last_ = 0;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
