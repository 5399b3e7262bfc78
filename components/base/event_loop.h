/// \file
/// \brief The event loop seam: where time passes and callbacks run.
///
/// Everything in Mobula that decides is a single-threaded state machine on one `EventLoop`.
/// The real loop (real/event_loop.h) is one thread over the operating system; the simulated one
/// (simulated/event_loop.h) runs a whole cluster on virtual time. Nothing else may ask what time
/// it is, wait, or start a thread.
///
/// The state lock. A process has threads of its user next to the loop's thread. All protocol
/// state of the process is guarded by one mutex, `StateLock()`: the loop holds it while a
/// callback runs, a user's thread takes it to call into a component. Components never lock.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>

#include "components/base/wait_point.h"

namespace mobula {

using Duration = std::chrono::nanoseconds;

/// Marks time points of an `EventLoop`; they mean nothing outside the process.
struct LoopClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<LoopClock>;
  static constexpr bool is_steady = true;
};
using TimePoint = LoopClock::time_point;

/// Steady and wall time. Threads: any.
class Clock {
 public:
  virtual ~Clock() = default;
  /// \return time that never goes back.
  [[nodiscard]] virtual TimePoint Now() const = 0;
  /// \return time since 1970-01-01 UTC; for people only, decisions never use it.
  [[nodiscard]] virtual Duration WallNow() const = 0;
};

//! [event-loop-interface]
/// Runs callbacks one at a time, in order of readiness.
///
/// Threads: `Post`, `Defer` and `clock` may be called from any thread; all else with the state lock
/// held.
/// Lifetime: outlives every component on it. Callbacks that were not run are destroyed with it.
class EventLoop {
 public:
  using Callback = std::move_only_function<void()>;
  using TimerId = std::uint64_t;  ///< 0 is no timer.

  virtual ~EventLoop() = default;

  [[nodiscard]] virtual const Clock& clock() const = 0;
  [[nodiscard]] TimePoint Now() const { return clock().Now(); }

  /// Runs `callback` soon, never inside this call. Callbacks posted by one thread run in order.
  /// Cost: one allocation, and a wake-up if the loop sleeps.
  virtual void Post(Callback callback) = 0;

  /// As `Post`, in one order with it, for what can wait a moment: it runs at the end of this turn
  /// of the loop; from a user's thread, when one next waits in `Await`, or else within four
  /// milliseconds. So a burst of work that ends in a wait is handled in one turn, and wakes
  /// nobody. Cost: from a user's thread no system call while another is due.
  virtual void Defer(Callback callback) = 0;

  /// Waits on a user's thread until `done`, which is tested with the state lock held. The thread
  /// runs callbacks meanwhile as the loop would, and looks at memory shared with other processes,
  /// for as long as answers usually take; then it sleeps, and is woken by them. \param lock holds
  /// the state lock, here and when this returns. \param changed is notified by whatever makes
  /// `done` true. \pre not in a callback.
  virtual void Await(std::unique_lock<std::mutex>& lock, WaitPoint& changed,
                     const std::function<bool()>& done) = 0;

  /// Runs `callback` once, `delay` from now or a little later.
  /// \return a handle for `Cancel`. Cost: logarithmic in the number of timers.
  virtual TimerId Schedule(Duration delay, Callback callback) = 0;

  /// Forgets a timer. \return false if it has run, was cancelled, or never was.
  virtual bool Cancel(TimerId timer) = 0;

  /// The mutex that guards all protocol state of this process. The simulated loop never takes it.
  [[nodiscard]] virtual std::mutex& StateLock() = 0;
};
//! [event-loop-interface]

/// One timer that cancels itself when it is destroyed or set again.
///
/// Threads: the state lock. Lifetime: the loop outlives it; the callback may destroy the timer.
class Timer {
 public:
  explicit Timer(EventLoop& loop) : loop_(&loop) {}
  ~Timer() { Cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Forgets the earlier setting and runs `callback` once after `delay`.
  void Set(Duration delay, EventLoop::Callback callback) {
    Cancel();
    id_ = loop_->Schedule(delay, [this, callback = std::move(callback)]() mutable {
      id_ = 0;
      auto run = std::move(callback);  // the callback may destroy this timer
      run();
    });
  }
  void Cancel() {
    if (id_ != 0) loop_->Cancel(id_);
    id_ = 0;
  }
  [[nodiscard]] bool IsSet() const { return id_ != 0; }

 private:
  EventLoop* loop_;
  EventLoop::TimerId id_ = 0;
};

}  // namespace mobula
