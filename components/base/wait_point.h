/// \file
/// \brief What a thread that waits in `EventLoop::Await` is told with.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

namespace mobula {

/// Says that what somebody waits for may have come.
///
/// As a condition variable; but a thread may sleep in the operating system instead, to be woken by
/// other processes too, and then says how it is woken by this one.
/// Threads: the state lock is held for every call. Lifetime: outlives those who wait.
class WaitPoint {
 public:
  WaitPoint() = default;
  WaitPoint(const WaitPoint&) = delete;
  WaitPoint& operator=(const WaitPoint&) = delete;

  void Notify() {
    changed_.notify_all();
    if (wake_) wake_();
  }
  /// Sleeps until it is notified, or for no reason.
  void Wait(std::unique_lock<std::mutex>& lock) { changed_.wait(lock); }
  /// Has `wake` called with every notice; nothing: no more. One at a time.
  void OnNotify(std::function<void()> wake) { wake_ = std::move(wake); }

 private:
  std::condition_variable changed_;
  std::function<void()> wake_;
};

}  // namespace mobula
