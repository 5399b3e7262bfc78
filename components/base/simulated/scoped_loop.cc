// \edge: a helper whose header says all that a caller needs
#include "components/base/simulated/scoped_loop.h"

#include <deque>
#include <map>
#include <vector>

#include "components/base/check.h"

namespace mobula {
namespace {

Duration Scale(Duration time, double factor) {
  if (factor == 1.0) return time;  // exact, for all but the skewed
  return Duration(static_cast<Duration::rep>(static_cast<double>(time.count()) * factor));
}

}  // namespace

struct ScopedEventLoop::State : std::enable_shared_from_this<State> {
  struct Pending {
    Callback callback;
    TimerId inner_timer = 0;  ///< 0 for what was posted.
  };

  explicit State(EventLoop& inner) : inner(&inner) {}

  /// \return what the inner loop runs when callback `id` is ready.
  Callback ArriveLater(std::uint64_t id) {
    // The event names the callback and does not own it: events of a killed node find nothing to
    // run.
    return [weak = weak_from_this(), id] {
      if (const auto state = weak.lock()) state->Arrive(id);
    };
  }

  void Arrive(std::uint64_t id) {
    // A stopped process misses nothing: what becomes ready waits. After the pause it keeps its
    // place, so a callback that comes later waits behind those that were held.
    if (paused || !held.empty()) {  // not before what is held already
      held.push_back(id);
      if (!paused) PostRelease();
      return;
    }
    Run(id);
  }

  void PostRelease() {
    inner->Post([weak = weak_from_this()] {
      const auto state = weak.lock();
      if (state == nullptr || state->paused || state->held.empty()) return;
      const std::uint64_t id = state->held.front();
      state->held.pop_front();
      state->Run(id);
    });
  }

  void Run(std::uint64_t id) {
    const auto it = pending.find(id);
    if (it == pending.end()) return;  // killed or cancelled meanwhile
    auto callback = std::move(it->second.callback);
    pending.erase(it);
    // Taken out of the table first, because a callback may kill this very node.
    callback();
  }

  void DestroyLater(Callback callback) {
    // What a callback owns may post, cancel or kill when it is destroyed. So that happens in an
    // event of its own, and never inside the call that dropped it.
    dropped.push_back(std::move(callback));
    if (dropped.size() > 1) return;  // the event that destroys them is on its way
    inner->Post([weak = weak_from_this()] {
      if (const auto state = weak.lock()) state->DestroyDropped();
    });
  }

  void DestroyDropped() {
    while (!dropped.empty()) {  // a destructor may post once more
      auto batch = std::exchange(dropped, {});
      for (auto& callback : batch) callback = nullptr;
    }
  }

  EventLoop* inner;
  std::map<std::uint64_t, Pending> pending;  ///< By age; owns every callback not yet run.
  std::deque<std::uint64_t> held;            ///< Became ready during a pause.
  std::vector<Callback> dropped;             ///< Will never run; destroyed by a later event.
  std::uint64_t last_id = 0;
  bool alive = true;
  bool paused = false;
};

TimePoint ScopedEventLoop::SkewedClock::Now() const {
  return TimePoint(Scale(inner_.Now().time_since_epoch(), skew_.rate) + skew_.offset);
}

Duration ScopedEventLoop::SkewedClock::WallNow() const {
  // Wall time runs at the rate of this clock, from the same beginning as steady time.
  const Duration since_start = inner_.Now().time_since_epoch();
  return inner_.WallNow() - since_start + Scale(since_start, skew_.rate) + skew_.offset;
}

ScopedEventLoop::ScopedEventLoop(EventLoop& inner, ClockSkew skew)
    : inner_(&inner),
      skew_(skew),
      clock_(inner.clock(), skew),
      state_(std::make_shared<State>(inner)) {
  Check(skew.rate > 0, "a clock goes forward");
}

ScopedEventLoop::~ScopedEventLoop() {
  Kill();
  state_->DestroyDropped();
}

void ScopedEventLoop::Post(Callback callback) {
  if (!state_->alive) return state_->DestroyLater(std::move(callback));
  const std::uint64_t id = ++state_->last_id;
  state_->pending[id].callback = std::move(callback);
  inner_->Post(state_->ArriveLater(id));
}

EventLoop::TimerId ScopedEventLoop::Schedule(Duration delay, Callback callback) {
  const std::uint64_t id = ++state_->last_id;
  if (state_->alive) {
    auto& pending = state_->pending[id];
    pending.callback = std::move(callback);
    // Rounded up: no timer runs before its time by its own clock.
    const Duration wait = Scale(delay, 1.0 / skew_.rate) + Duration(skew_.rate == 1.0 ? 0 : 2);
    pending.inner_timer = inner_->Schedule(wait, state_->ArriveLater(id));
  } else {
    state_->DestroyLater(std::move(callback));
  }
  return id;
}

bool ScopedEventLoop::Cancel(TimerId timer) {
  const auto it = state_->pending.find(timer);
  if (it == state_->pending.end() || it->second.inner_timer == 0) return false;
  inner_->Cancel(it->second.inner_timer);  // false if it is held back by a pause
  // Destroyed last, when the table is whole again: it may own what calls this loop.
  const auto dead = std::move(it->second.callback);
  state_->pending.erase(it);
  return true;
}

void ScopedEventLoop::Kill() {
  if (!std::exchange(state_->alive, false)) return;
  // Nothing of this node runs any more. Its timers are taken out of the common loop, where they
  // would keep virtual time from jumping to the next event that matters.
  for (auto& [id, pending] : std::exchange(state_->pending, {})) {
    if (pending.inner_timer != 0) inner_->Cancel(pending.inner_timer);
    state_->DestroyLater(std::move(pending.callback));
  }
}

bool ScopedEventLoop::IsAlive() const { return state_->alive; }

void ScopedEventLoop::Pause() { state_->paused = true; }

void ScopedEventLoop::Resume() {
  if (!std::exchange(state_->paused, false)) return;
  // One event for each callback that was held, so that other nodes get their turns in between.
  for (std::size_t i = 0; i < state_->held.size(); ++i) state_->PostRelease();
}

}  // namespace mobula
