/// \file
/// \brief `DueTimers`: the timers of a real event loop, over one timer of the system.
///
/// Most timers are deadlines of calls, set and cancelled without ever running. So the system's
/// timer is only ever set to an earlier time: one that fires too early finds nothing due and is set
/// anew, and cancelling costs no system call.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "components/base/timer_queue.h"

namespace mobula {

/// Threads: the state lock.
class DueTimers {
 public:
  using TimerId = EventLoop::TimerId;

  /// \param when in the future or past. The caller asks `NextToSet` then.
  TimerId Add(TimePoint when, EventLoop::Callback callback);
  bool Cancel(TimerId timer) { return timers_.Remove(timer); }
  /// \return when the system's timer must fire, if that is earlier than it is set for; from then on
  ///         it counts as set.
  [[nodiscard]] std::optional<TimePoint> NextToSet();
  /// The system's timer fired: runs a batch of what is due. The caller asks `NextToSet` then.
  void RunDue(TimePoint now, const std::atomic<bool>& stopped);
  /// No timer is set from now on. \pre nobody runs this any more.
  void Close() { set_for_ = TimePoint::min(); }
  /// Destroys all callbacks.
  void Clear() { timers_.Clear(); }

 private:
  static constexpr int kBatchMax = 64;  // then the lock is let go and sockets are looked at

  TimerQueue timers_;
  std::uint64_t count_ = 0;               // orders equal deadlines
  TimePoint set_for_ = TimePoint::max();  // max: the system's timer is not set
};

}  // namespace mobula
