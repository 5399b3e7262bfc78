/// \file
/// \brief `TimerQueue`: the deadlines of one event loop; used by the real and the simulated one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "components/base/event_loop.h"

namespace mobula {

/// A binary heap of deadlines whose entries know their place, so that any can be removed.
///
/// Most timers are RPC deadlines that are cancelled, not run; a slot is reused at once and its
/// generation makes stale handles harmless. Threads: one at a time. Callbacks are destroyed when
/// the queue is consistent again, so their destructors may call back into it.
/// Cost: logarithmic; no allocation beyond growth.
class TimerQueue {
 public:
  using Callback = EventLoop::Callback;
  using TimerId = EventLoop::TimerId;

  TimerQueue() = default;
  TimerQueue(const TimerQueue&) = delete;
  ~TimerQueue() { Clear(); }

  /// Adds a deadline. Among equal deadlines the smaller `order` is first.
  TimerId Add(TimePoint when, std::uint64_t order, Callback callback);
  /// Forgets a timer. \return false if there is none of this id.
  bool Remove(TimerId id);
  /// Forgets all timers, also those that the forgotten callbacks add on their way out.
  void Clear();

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }
  /// \pre not empty.
  [[nodiscard]] TimePoint first_deadline() const { return heap_.front().when; }
  [[nodiscard]] std::uint64_t first_order() const { return heap_.front().order; }
  /// Takes the first timer out. \pre not empty.
  [[nodiscard]] Callback PopFirst();

 private:
  struct Entry {
    TimePoint when;
    std::uint64_t order;
    std::uint32_t slot;
  };
  struct Slot {
    Callback callback;
    std::uint32_t generation = 1;  ///< Never 0, so that no id is 0.
    std::uint32_t position = 0;    ///< Index in `heap_`; meaningless while the slot is free.
    bool used = false;
  };

  static bool Before(const Entry& a, const Entry& b) {
    return a.when != b.when ? a.when < b.when : a.order < b.order;
  }
  void Place(std::size_t position, const Entry& entry);
  void SiftUp(std::size_t position);
  void SiftDown(std::size_t position);
  Callback Take(std::size_t position);

  std::vector<Entry> heap_;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
};

}  // namespace mobula
