/// \file
/// \brief `PostedQueue`: the callbacks posted to an event loop, and which thread runs them next.
///
/// Three can run them, and only one at a time, with the state lock: the loop's thread after a
/// wake-up, which costs a system call; a user's thread that polls in `Await`, which costs nothing;
/// or the loop's thread when the deferral timer fires, which costs one system call for many
/// callbacks. The queue knows which of the three is due. It makes no system call itself: it tells
/// its caller to wake the loop or to set the timer.
///
///     Post ──► nobody is due ──► the caller wakes the loop ──► Run, EndTurn
///      or  ──► the loop was woken, or a thread polls: nothing to do
///     Defer ─► nobody is due ──► the caller sets the timer ──► TimerFired ──► Run, EndTurn
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "components/base/event_loop.h"

namespace mobula {

/// Threads: `Post`, `Defer` and `TimerFired` any; all else with the state lock held.
class PostedQueue {
 public:
  using Callback = EventLoop::Callback;
  /// Callbacks run before the lock is let go and the loop looks at sockets again.
  static constexpr int kBatchMax = 64;
  /// How long what is deferred may lie while users' threads do something else; up to twice the
  /// longer one if they waited a moment ago.
  static constexpr Duration kDeferMin = std::chrono::microseconds(250);
  static constexpr Duration kDeferMax = std::chrono::milliseconds(2);

  /// \return whether the caller must wake the loop.
  [[nodiscard]] bool Post(Callback callback);
  /// \return after how long the timer must fire; nothing: it need not be set.
  [[nodiscard]] std::optional<Duration> Defer(Callback callback);
  /// The timer of `Defer` fired. \return how long to set it again, as threads that wait take care
  ///         of the callbacks; nothing: nobody has waited since it last fired, the loop takes over.
  [[nodiscard]] std::optional<Duration> TimerFired();

  /// Runs a batch. \return whether it stopped before it had run all. \param stopped is looked at
  /// before each callback.
  bool Run(const std::atomic<bool>& stopped);
  /// After a `Run` on the loop's thread, which said `more`. \return whether it must be woken again.
  [[nodiscard]] bool EndTurn(bool more);

  /// A user's thread runs what is posted from now on.
  void BeginPolling();
  /// It stops, as what it waited for has come. \return as `Defer`: for what is left, and to take
  ///         over if no thread waits again.
  [[nodiscard]] std::optional<Duration> EndPolling();
  /// It stops because there is nothing to do. \return false if something was posted: it goes on.
  [[nodiscard]] bool EndPollingIfIdle();
  [[nodiscard]] bool IsPolling() const { return is_polling_; }

  /// Nobody is left to be woken. \pre the loop's thread has ended.
  void Close();
  /// \return what did not run.
  [[nodiscard]] std::vector<Callback> TakeAll();

 private:
  [[nodiscard]] std::optional<Duration> SetTimer();

  // Guarded by the state lock:
  std::vector<Callback> running_;  // taken from `posted_`; those before `next_` have run
  std::size_t next_ = 0;

  // Guarded by `mutex_`, a leaf: nothing else is locked or called under it.
  std::mutex mutex_;
  std::vector<Callback> posted_;
  bool is_loop_due_ = false;  // it was woken and has not ended its turn
  bool is_timer_set_ = false;
  bool is_polling_ = false;       // written with both locks, so either is enough to read it
  std::uint64_t polls_ = 0;       // times that a thread began to poll
  std::uint64_t polls_seen_ = 0;  // of those, when the timer last fired
  Duration defer_for_ = kDeferMin;
};

}  // namespace mobula
