/// \file
/// \brief The event loop of a real process: one Asio `io_context`, run by one thread.
///
/// Each concern is a part with a header of its own: `TurnLock` (the state lock), `PostedQueue`
/// (what is posted, and which thread runs it), `DueTimers` (deadlines over one system timer),
/// `PolledPeers` (memory shared with other processes), `Sleepers` (threads that wait, doorbells)
/// and `SpinBudget` (how long to poll before sleeping). The loop connects them with Asio.
///
/// A user's thread that waits (`Await`) does the loop's work itself while it polls: an answer of
/// another process that is awake then costs no system call and no change of threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "components/base/event_loop.h"
#include "components/base/real/clock.h"
#include "components/base/real/due_timers.h"
#include "components/base/real/polled_peers.h"
#include "components/base/real/posted_queue.h"
#include "components/base/real/sleepers.h"
#include "components/base/real/spin_budget.h"
#include "components/base/real/turn_lock.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): the name is of Boost
}

namespace mobula {

/// An `EventLoop` over the operating system.
///
/// Use: construct; then either `Run()` on the thread that should be the loop, or `RunInThread()`.
/// Posts and timers made before that wait for it. `Stop()` ends it for good.
/// Threads: as `EventLoop`; what is not in the interface says its own.
/// Lifetime: its thread is joined on destruction; callbacks that did not run are destroyed then.
class RealEventLoop final : public EventLoop {
 public:
  RealEventLoop();
  ~RealEventLoop() override;
  RealEventLoop(const RealEventLoop&) = delete;
  RealEventLoop& operator=(const RealEventLoop&) = delete;

  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void Post(Callback callback) override;
  void Defer(Callback callback) override;
  void Await(std::unique_lock<std::mutex>& lock, WaitPoint& changed,
             const std::function<bool()>& done) override;
  TimerId Schedule(Duration delay, Callback callback) override;
  bool Cancel(TimerId timer) override;
  [[nodiscard]] std::mutex& StateLock() override { return lock_.mutex(); }

  /// Runs callbacks on this thread until `Stop()`. \pre the state lock is not held.
  void Run();
  /// Starts a thread that does `Run()`. It takes no signals: those belong to the user's threads.
  void RunInThread();
  /// Waits for the thread to end; harmless without one. \pre not on that thread, lock not held.
  void Join();
  /// Lets `Run()` return after the current callback, now or when it is called. Threads: any.
  void Stop();
  /// Runs what is ready, without blocking, as if this thread were the loop.
  /// Threads: any, next to `Run()` too; sockets and timers are seen by one of them at a time.
  /// \pre the state lock is not held. \return the number of Asio handlers run.
  std::size_t PollOnce();

  /// For sockets and descriptors of real transports. Their handlers run on the loop's thread
  /// *without* the state lock: wrap each in `Locked`.
  [[nodiscard]] boost::asio::io_context& context();

  /// What threads in `Await` look at. Threads: the state lock, here and in the next two.
  [[nodiscard]] PolledPeers& peers() { return peers_; }
  /// What the peers ring when nobody looks.
  [[nodiscard]] Doorbells& doorbells() { return sleepers_.doorbells(); }
  /// For hints where peers run.
  [[nodiscard]] SpinBudget& spin_budget() { return spin_budget_; }

  /// Calls `function` with the state lock held. \pre this thread does not hold it.
  template <typename F>
  void Enter(F&& function) {
    const TurnLock::Turn turn(lock_);
    std::forward<F>(function)();
  }
  /// \return `handler` wrapped so that it runs, and its captures die, with the state lock held:
  ///         `socket.async_read_some(buffer, loop.Locked(alive_.Bind([this](auto, auto) {…})))`.
  template <typename F>
  [[nodiscard]] auto Locked(F handler) {
    return [this, handler = std::move(handler)](auto&&... arguments) mutable {
      const TurnLock::Turn turn(lock_);
      auto run = std::move(handler);
      run(std::forward<decltype(arguments)>(arguments)...);
    };
  }

 private:
  struct Asio;  // the parts that need Asio's headers

  void WakeUp();
  void Drain();
  void SetDeferTimer(std::optional<Duration> after);
  void WaitDeferTimer();
  void OnDeferTimer();
  void WaitDoorbells();
  void SetSystemTimer();
  bool PollUntilIdle(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                     std::optional<Duration>& spin);
  bool Poll(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
            std::optional<Duration>& spin);

  const RealClock clock_;
  TurnLock lock_;
  std::atomic<bool> stopped_ = false;
  PostedQueue posted_;
  // Guarded by the state lock:
  DueTimers timers_;
  PolledPeers peers_;
  Sleepers sleepers_;
  SpinBudget spin_budget_;

  std::unique_ptr<Asio> asio_;
  std::thread thread_;
};

}  // namespace mobula
