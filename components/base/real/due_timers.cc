#include "components/base/real/due_timers.h"

#include <utility>

namespace mobula {

DueTimers::TimerId DueTimers::Add(TimePoint when, EventLoop::Callback callback) {
  return timers_.Add(when, ++count_, std::move(callback));
}

std::optional<TimePoint> DueTimers::NextToSet() {
  if (timers_.empty() || timers_.first_deadline() >= set_for_) return std::nullopt;
  // Later deadlines find the timer set to this one; when it fires, they are asked about again.
  set_for_ = timers_.first_deadline();
  return set_for_;
}

void DueTimers::RunDue(TimePoint now, const std::atomic<bool>& stopped) {
  // While callbacks run, no deadline is earlier than this: what they add is set once, afterwards.
  set_for_ = TimePoint::min();
  for (int i = 0; i < kBatchMax && !stopped; ++i) {
    if (timers_.empty() || timers_.first_deadline() > now) break;
    auto callback = timers_.PopFirst();
    callback();
  }
  set_for_ = TimePoint::max();
}

}  // namespace mobula
