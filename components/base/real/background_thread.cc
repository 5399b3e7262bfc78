#include "components/base/real/background_thread.h"

#include <csignal>

namespace mobula {

RealBackgroundThread::~RealBackgroundThread() {
  std::deque<std::pair<Work, EventLoop::Callback>> dropped;  // dies after the lock is let go
  {
    const std::lock_guard lock(lock_);
    is_ending_ = true;
    dropped.swap(queue_);
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void RealBackgroundThread::Run(Work work, EventLoop::Callback done) {
  {
    const std::lock_guard lock(lock_);
    queue_.emplace_back(std::move(work), alive_.Bind(std::move(done)));
  }
  changed_.notify_one();
  if (thread_.joinable()) return;
  // Signals belong to the threads that were there first: a new thread inherits the mask.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Serve(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void RealBackgroundThread::Serve() {
  std::unique_lock lock(lock_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || !queue_.empty(); });
    if (is_ending_) return;
    auto [work, done] = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    work = nullptr;  // what it captured dies here, before anybody hears that it is done
    loop_.Post(std::move(done));
    lock.lock();
  }
}

}  // namespace mobula
