#include "components/base/simulated/event_loop.h"

#include <xxhash.h>

#include <algorithm>
#include <array>

#include "components/base/check.h"

namespace mobula {

SimulatedEventLoop::SimulatedEventLoop(std::uint64_t seed, Order order)
    : random_(seed), choice_(random_.Fork("event order")), order_(order), digest_(seed) {}

SimulatedEventLoop::~SimulatedEventLoop() {
  do {  // what dies here may post once more
    timers_.Clear();
    const auto dead = std::exchange(posted_, {});
  } while (!posted_.empty() || !timers_.empty());
}

void SimulatedEventLoop::Post(Callback callback) {
  // Posted callbacks run in their order, as on a real loop. Only timers may change places.
  posted_.push_back({++sequence_, std::move(callback)});
}

void SimulatedEventLoop::Await(std::unique_lock<std::mutex>& /*lock*/, WaitPoint& /*changed*/,
                               const std::function<bool()>& done) {
  // There are no other threads: the one that waits runs the cluster until its answer has come.
  while (!done()) Check(RunOne(), "what is waited for in a simulation can still happen");
}

EventLoop::TimerId SimulatedEventLoop::Schedule(Duration delay, Callback callback) {
  const Duration wait = std::clamp<Duration>(delay, Duration::zero(), std::chrono::years(100));
  // Timers of the same instant run by age, or in an order that the seed draws: no real clock
  // promises which of them is first.
  const std::uint64_t order = order_ == Order::kFifo ? ++sequence_ : choice_.Next();
  return timers_.Add(Now() + wait, order, std::move(callback));
}

bool SimulatedEventLoop::Cancel(TimerId timer) { return timers_.Remove(timer); }

bool SimulatedEventLoop::TimerIsNext() {
  // Callbacks and timers that are due now compete. By age, or by a draw: a component must not
  // depend on which of two independent events comes first.
  if (timers_.empty()) return false;
  if (posted_.empty()) return true;
  if (timers_.first_deadline() > clock_.now) return false;  // time waits for what is ready
  return order_ == Order::kFifo ? timers_.first_order() < posted_.front().sequence
                                : choice_.Below(2) == 0;
}

bool SimulatedEventLoop::RunOneBefore(TimePoint end) {
  if (posted_.empty() && (timers_.empty() || timers_.first_deadline() > end)) return false;
  // Virtual time jumps to the next deadline when nothing is ready before it.
  if (TimerIsNext()) {
    if (timers_.first_deadline() > clock_.now) {
      clock_.now = timers_.first_deadline();
      events_this_instant_ = 0;
    }
    Run(timers_.PopFirst());
  } else {
    Callback callback = std::move(posted_.front().callback);
    posted_.pop_front();
    Run(std::move(callback));
  }
  return true;
}

void SimulatedEventLoop::Run(Callback callback) {
  // The digest hashes when each event ran: two runs of one seed that differ anywhere differ here.
  ++events_;
  Check(++events_this_instant_ < kEventsPerInstantMax,
        "too many events while virtual time stands still: something posts itself for ever");
  Mix(static_cast<std::uint64_t>(Now().time_since_epoch().count()));
  callback();
}

bool SimulatedEventLoop::RunOne() { return RunOneBefore(TimePoint::max()); }

std::size_t SimulatedEventLoop::RunReady() {
  std::size_t count = 0;
  while (RunOneBefore(Now())) ++count;
  return count;
}

std::size_t SimulatedEventLoop::RunUntilIdle(std::size_t events_max) {
  std::size_t count = 0;
  while (count < events_max && RunOne()) ++count;
  return count;
}

void SimulatedEventLoop::RunFor(Duration time) {
  RunUntil([] { return false; }, time);
}

bool SimulatedEventLoop::RunUntil(const std::function<bool()>& condition, Duration time_max) {
  const TimePoint end = Now() + time_max;
  do {
    if (condition()) return true;
  } while (RunOneBefore(end));
  if (clock_.now < end) events_this_instant_ = 0;
  // Nothing happens before `end`: the clock goes there, as it would for a caller that sleeps.
  clock_.now = std::max(clock_.now, end);
  return condition();
}

void SimulatedEventLoop::Mix(std::uint64_t value) {
  const std::array<std::uint64_t, 2> words = {value, events_};
  digest_ = XXH3_64bits_withSeed(words.data(), sizeof words, digest_);
}

void SimulatedEventLoop::Mix(std::string_view text) {
  digest_ = XXH3_64bits_withSeed(text.data(), text.size(), digest_);
}

}  // namespace mobula
