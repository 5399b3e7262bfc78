#include "components/base/real/posted_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace mobula {

bool PostedQueue::Post(Callback callback) {
  const std::lock_guard guard(mutex_);
  posted_.push_back(std::move(callback));
  // A thread that polls looks here before it sleeps, and a loop that was woken before it rests. So
  // only the first post of a burst costs a wake-up.
  return !is_polling_ && !std::exchange(is_loop_due_, true);
}

std::optional<Duration> PostedQueue::Defer(Callback callback) {
  const std::lock_guard guard(mutex_);
  posted_.push_back(std::move(callback));
  if (is_polling_ || is_loop_due_) return std::nullopt;
  return SetTimer();
}

std::optional<Duration> PostedQueue::SetTimer() {
  if (std::exchange(is_timer_set_, true)) return std::nullopt;
  return defer_for_;
}

std::optional<Duration> PostedQueue::TimerFired() {
  const std::lock_guard guard(mutex_);
  is_timer_set_ = false;
  if (is_polling_ || polls_seen_ != polls_) {
    // A thread that waits now and then runs what is deferred and polls the rings. If the loop did
    // that too, it would have to wait for the state lock, and unlocking would cost that thread a
    // system call. So the timer stays out of its way, and fires less often while this goes on.
    polls_seen_ = polls_;
    defer_for_ = std::min(2 * defer_for_, kDeferMax);
    return SetTimer();
  }
  defer_for_ = kDeferMin;
  return std::nullopt;
}

bool PostedQueue::Run(const std::atomic<bool>& stopped) {
  for (int i = 0; i < kBatchMax && !stopped; ++i) {
    if (next_ == running_.size()) {
      // The two vectors change places, so that their memory is used again and posting threads wait
      // for one swap only. What callbacks post meanwhile runs after them, in order.
      running_.clear();
      next_ = 0;
      const std::lock_guard guard(mutex_);
      std::swap(running_, posted_);
      if (running_.empty()) return false;
    }
    // Moved out, so that what it captured dies before the next one runs.
    auto callback = std::move(running_[next_++]);
    callback();
  }
  return !stopped;
}

bool PostedQueue::EndTurn(bool more) {
  const std::lock_guard guard(mutex_);
  // Whatever was posted since `Run` looked did not wake the loop, as its turn had not ended.
  is_loop_due_ = more || !posted_.empty();
  return is_loop_due_;
}

void PostedQueue::BeginPolling() {
  const std::lock_guard guard(mutex_);
  is_polling_ = true;
  ++polls_;
}

std::optional<Duration> PostedQueue::EndPolling() {
  const std::lock_guard guard(mutex_);
  is_polling_ = false;
  return SetTimer();
}

bool PostedQueue::EndPollingIfIdle() {
  const std::lock_guard guard(mutex_);
  // Posts since the last look did not wake the loop: they are for the thread that polls.
  if (!posted_.empty() || next_ != running_.size()) return false;
  is_polling_ = false;
  return true;
}

void PostedQueue::Close() {
  const std::lock_guard guard(mutex_);
  is_loop_due_ = true;
}

std::vector<PostedQueue::Callback> PostedQueue::TakeAll() {
  std::vector<Callback> all = std::exchange(running_, {});
  next_ = 0;
  const std::lock_guard guard(mutex_);
  all.insert(all.end(), std::move_iterator(posted_.begin()), std::move_iterator(posted_.end()));
  posted_.clear();
  return all;
}

}  // namespace mobula
