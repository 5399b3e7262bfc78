/// \file
/// \brief The event loop of a simulation: virtual time, a seed, and one digest of all that ran.
///
/// A whole cluster shares one of these, in one thread. Time passes only when nothing is ready, so
/// hours take milliseconds. The same seed gives the same run; `Digest()` proves it. Nodes that are
/// to be killed, paused or given a wrong clock stand on a `ScopedEventLoop` (scoped_loop.h) each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string_view>
#include <utility>

#include "components/base/event_loop.h"
#include "components/base/random.h"
#include "components/base/timer_queue.h"

namespace mobula {

/// An `EventLoop` on virtual time.
///
/// A run ends with a broken promise if `kEventsPerInstantMax` events happen while time stands
/// still: something posts itself for ever. Threads: one. Lifetime: as `EventLoop`.
class SimulatedEventLoop final : public EventLoop {
 public:
  /// Which of several ready events is next. Posts always keep their order among themselves.
  enum class Order : std::uint8_t {
    kFifo,      ///< The one that became ready first.
    kShuffled,  ///< Timers of one deadline, and timers against posts, in an order from the seed.
  };
  static constexpr std::uint64_t kEventsPerInstantMax = 10'000'000;

  explicit SimulatedEventLoop(std::uint64_t seed, Order order = Order::kFifo);
  ~SimulatedEventLoop() override;
  SimulatedEventLoop(const SimulatedEventLoop&) = delete;
  SimulatedEventLoop& operator=(const SimulatedEventLoop&) = delete;

  [[nodiscard]] const Clock& clock() const override { return clock_; }
  void Post(Callback callback) override;
  void Defer(Callback callback) override { Post(std::move(callback)); }
  void Await(std::unique_lock<std::mutex>& lock, WaitPoint& changed,
             const std::function<bool()>& done) override;
  TimerId Schedule(Duration delay, Callback callback) override;
  bool Cancel(TimerId timer) override;
  [[nodiscard]] std::mutex& StateLock() override { return never_locked_; }

  /// Runs the next event, letting time pass if none is ready. \return false if there is none.
  bool RunOne();
  /// Runs what is ready without letting time pass. \return the number of events.
  std::size_t RunReady();
  /// Runs until neither posts nor timers are left, or `events_max` have run.
  /// \return the number of events.
  std::size_t RunUntilIdle(std::size_t events_max);
  /// Runs all that happens in the next `time`, then stands at its end.
  void RunFor(Duration time);
  /// Runs until `condition` holds, tested before each event and at the end of `time_max`.
  /// \return whether it held.
  bool RunUntil(const std::function<bool()>& condition, Duration time_max);

  /// \return a stream of chance for the simulator: `random().Fork("network")`.
  [[nodiscard]] const Random& random() const { return random_; }
  /// \return a hash over the time of every event so far and all that was mixed in.
  [[nodiscard]] std::uint64_t Digest() const { return digest_; }
  /// Makes the digest depend on `value`, or on `text` such as an event log line.
  void Mix(std::uint64_t value);
  void Mix(std::string_view text);
  /// \return the number of events so far.
  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  class VirtualClock final : public Clock {
   public:
    [[nodiscard]] TimePoint Now() const override { return now; }
    /// Every simulation begins on 2024-01-01.
    [[nodiscard]] Duration WallNow() const override {
      return std::chrono::seconds(1'704'067'200) + now.time_since_epoch();
    }
    TimePoint now{};
  };
  struct Posted {
    std::uint64_t sequence;
    Callback callback;
  };

  bool RunOneBefore(TimePoint end);
  bool TimerIsNext();
  void Run(Callback callback);

  Random random_;
  Random choice_;
  Order order_;
  VirtualClock clock_;
  std::mutex never_locked_;
  std::uint64_t sequence_ = 0;
  std::deque<Posted> posted_;
  TimerQueue timers_;
  std::uint64_t digest_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t events_this_instant_ = 0;
};

}  // namespace mobula
