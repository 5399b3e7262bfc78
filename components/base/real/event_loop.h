/// \file
/// \brief The event loop of a real process: one Asio `io_context`, run by one thread.
///
/// Two queues of our own sit on top of Asio: posted callbacks (one Asio handler drains many, so a
/// burst of posts costs one wake-up) and timers (a heap with one Asio timer under it, so a
/// deadline that is set and cancelled costs no system call). A user's thread that waits drives both
/// itself (`Await`) and looks at `Pollable`s: an answer of another process that is awake then costs
/// no system call and no change of threads. It spins only while waits are usually short; then it
/// sleeps and answers their doorbells: it is woken by the peer and not by the loop's thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/real/clock.h"
#include "components/base/real/doorbells.h"
#include "components/base/real/spin_budget.h"
#include "components/base/timer_queue.h"

namespace boost::asio {
class io_context;  // NOLINT(readability-identifier-naming): the name is of Boost
}

namespace mobula {

class Pollable;

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
  [[nodiscard]] std::mutex& StateLock() override { return state_lock_; }

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

  /// Has `pollable` looked at by threads in `Await`, until it is removed.
  void AddPollable(Pollable& pollable);
  void RemovePollable(Pollable& pollable);
  /// What the peers of pollables ring. Threads: the state lock.
  [[nodiscard]] Doorbells& doorbells() { return doorbells_; }
  /// A peer was woken by us, or we by it, when it was last seen on that core: a hint for how long
  /// to spin, checked by nobody. Threads: the state lock.
  void NotePeer(int core) {
    peer_core_ = core;
    is_peer_new_ = true;
  }

  /// Calls `function` with the state lock held. \pre this thread does not hold it.
  template <typename F>
  void Enter(F&& function) {
    const Turn turn(*this);
    std::forward<F>(function)();
  }
  /// \return `handler` wrapped so that it runs, and its captures die, with the state lock held:
  ///         `socket.async_read_some(buffer, loop.Locked(alive_.Bind([this](auto, auto) {…})))`.
  template <typename F>
  [[nodiscard]] auto Locked(F handler) {
    return [this, handler = std::move(handler)](auto&&... arguments) mutable {
      const Turn turn(*this);
      auto run = std::move(handler);
      run(std::forward<decltype(arguments)>(arguments)...);
    };
  }

 private:
  struct Asio;  // the parts that need Asio's headers
  /// Holds the state lock; whoever polls lets it go soon.
  class Turn {
   public:
    explicit Turn(RealEventLoop& loop) : loop_(loop) {
      ++loop_.turns_waiting_;
      loop_.state_lock_.lock();
      --loop_.turns_waiting_;
      loop_.is_turn_ = true;
    }
    ~Turn() {
      loop_.is_turn_ = false;
      loop_.state_lock_.unlock();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    RealEventLoop& loop_;
  };

  void WakeUp();
  void WaitDeferred();
  void RunDeferred();
  void ArmDeferred();
  void Drain();
  bool RunPosted();
  bool PollUntilIdle(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                     std::optional<Duration>& spin);
  void Sleep(std::unique_lock<std::mutex>& lock, WaitPoint& changed);
  bool Poll(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
            std::optional<Duration>& spin);
  void SetPolling(bool polling);
  bool StopPollingIfIdle();
  void WaitDoorbells();
  bool PollOthers();
  void SetPolled(bool polled);
  void RunDue();
  void Arm();

  const RealClock clock_;
  std::mutex state_lock_;
  std::atomic<int> turns_waiting_ = 0;  ///< Of the loop's thread, for the state lock.
  std::atomic<bool> is_turn_ = false;   ///< The loop's thread has it.
  std::atomic<bool> stopped_ = false;

  // Guarded by the state lock:
  TimerQueue timers_;
  std::uint64_t timer_count_ = 0;
  TimePoint armed_for_ = TimePoint::max();  ///< When the Asio timer fires; max: it is not set.
  std::vector<Callback> running_;  ///< Taken from `posted_`, those before `next_` have run.
  std::size_t next_ = 0;
  std::vector<Pollable*> pollables_;  ///< Null: removed while they are polled.
  bool is_polled_ = false;            ///< Peers need not ring.
  bool is_answered_ = false;          ///< A thread in `Await` sleeps and answers the doorbells.
  int sleeping_ = 0;                  ///< Threads in `Await` that do: that one, and others.
  std::optional<int> peer_core_;  ///< Of one that was woken, or woke us, in this wait or the last.
  bool is_peer_new_ = false;      ///< In this one.
  SpinBudget spin_budget_;
  Doorbells doorbells_;

  // Guarded by `post_lock_`, a leaf: nothing else is locked or called under it.
  std::mutex post_lock_;
  std::vector<Callback> posted_;
  bool wake_up_sent_ = false;  ///< A `Drain` is queued in Asio or running.
  bool is_deferred_ = false;   ///< The timer of `Defer` is set.
  bool is_polling_ = false;   ///< A thread in `Await` runs what is posted. Written with both locks.
  std::uint64_t awaits_ = 0;  ///< Times that a thread began to.
  std::uint64_t awaits_seen_ = 0;  ///< By that timer when it last fired.
  Duration defer_for_ = std::chrono::microseconds(250);

  std::unique_ptr<Asio> asio_;
  std::thread thread_;
};

}  // namespace mobula
