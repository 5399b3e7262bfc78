/// \file
/// \edge
/// \brief How one blocked call waits for many objects, and one object for many blocked calls.
///
/// A `Wait` on ten thousand objects must not look at all of them each time one becomes known. So
/// the call has a `WaitSet` with a place for each object, every object has a `WaitList` of such
/// places, and becoming known costs the object one step per waiting call.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "components/base/event_loop.h"

namespace mobula::core_worker {

/// Learns which of many objects became known: one blocked call, however many it waits for.
/// Threads: the state lock. Lifetime: leaves all lists when it is destroyed.
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

/// The blocked calls that wait for one object. One pointer: there is one in each of a million
/// objects. Threads: the state lock. Lifetime: sets may outlive it; they are told nothing then.
class WaitList {
 public:
  WaitList() = default;
  ~WaitList();
  WaitList(const WaitList&) = delete;
  WaitList& operator=(const WaitList&) = delete;
  void TakeFrom(WaitList& other);  ///< \pre this list is empty.
  /// The object is number `index` of what `set` waits for.
  void Add(WaitSet& set, std::size_t index);
  /// The object is known: all sets are told and leave the list.
  void Tell();

 private:
  WaitSet::Node* first_ = nullptr;
};

}  // namespace mobula::core_worker
