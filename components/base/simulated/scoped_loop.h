/// \file
/// \brief `ScopedEventLoop`: one simulated node's share of the common loop, which can be killed.
///
///                 Pause()            Kill()
///        running ─────────▶ paused ─────────▶ dead
///           ▲     Resume()    │                 ▲
///           └─────────────────┘                 │
///           └───────────────────────────────────┘
///
/// A node that is killed stops between two callbacks, as a process does between two instructions:
/// nothing it posted or scheduled runs any more. Its objects may be destroyed afterwards.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "components/base/event_loop.h"

namespace mobula {

/// How far a node's clock is off.
struct ClockSkew {
  Duration offset{};  ///< Added to steady and wall time.
  double rate = 1.0;  ///< Seconds this clock counts in one true second; above 0.
};

/// Forwards to an inner loop until it is killed.
///
/// Threads: those of the inner loop. Lifetime: the inner loop outlives it. Destruction kills.
/// Callbacks that never ran are destroyed in the order in which they came: by a later event of the
/// inner loop, never inside `Kill`; those still left, with this.
class ScopedEventLoop final : public EventLoop {
 public:
  explicit ScopedEventLoop(EventLoop& inner, ClockSkew skew = {});
  ~ScopedEventLoop() override;
  ScopedEventLoop(const ScopedEventLoop&) = delete;
  ScopedEventLoop& operator=(const ScopedEventLoop&) = delete;

  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void Post(Callback callback) override;
  void Defer(Callback callback) override { Post(std::move(callback)); }
  void Await(std::unique_lock<std::mutex>& lock, WaitPoint& changed,
             const std::function<bool()>& done) override {
    inner_->Await(lock, changed, done);
  }
  TimerId Schedule(Duration delay, Callback callback) override;
  bool Cancel(TimerId timer) override;
  [[nodiscard]] std::mutex& StateLock() override { return inner_->StateLock(); }

  /// Drops all callbacks, now and from now on. Twice is harmless.
  void Kill();
  [[nodiscard]] bool IsAlive() const;
  /// Holds back callbacks, as a stopped process does; the clock goes on.
  void Pause();
  /// Runs what was held back, in order, and goes on.
  void Resume();

 private:
  class SkewedClock final : public Clock {
   public:
    SkewedClock(const Clock& inner, ClockSkew skew) : inner_(inner), skew_(skew) {}
    [[nodiscard]] TimePoint Now() const override;
    [[nodiscard]] Duration WallNow() const override;

   private:
    const Clock& inner_;
    ClockSkew skew_;
  };
  struct State;

  EventLoop* inner_;
  ClockSkew skew_;
  SkewedClock clock_;
  std::shared_ptr<State> state_;  // events in the inner loop hold it weakly
};

}  // namespace mobula
