#include "components/base/real/event_loop.h"

#include <pthread.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>

#include "components/base/check.h"

namespace mobula {
namespace {

/// Callbacks run before the lock is let go and Asio looks at sockets again.
constexpr int kBatchMax = 64;

}  // namespace

struct RealEventLoop::Asio {
  struct Context : boost::asio::io_context {
    using boost::asio::io_context::shutdown;  // destroys all handlers, and keeps the services
  } context;
  boost::asio::steady_timer timer{context};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
};

RealEventLoop::RealEventLoop() : asio_(std::make_unique<Asio>()) {}

RealEventLoop::~RealEventLoop() {
  Stop();
  Join();
  {
    // What is destroyed below may post or set timers once more: there is nobody to wake.
    const std::lock_guard guard(post_lock_);
    wake_up_sent_ = true;
  }
  armed_for_ = TimePoint::min();
  asio_->context.shutdown();
  for (;;) {  // callbacks own sockets, which need the context to be closed
    timers_.Clear();
    std::vector<Callback> dead = std::exchange(running_, {});
    {
      const std::lock_guard guard(post_lock_);
      dead.insert(dead.end(), std::move_iterator(posted_.begin()),
                  std::move_iterator(posted_.end()));
      posted_.clear();
    }
    if (dead.empty()) break;
  }
}

boost::asio::io_context& RealEventLoop::context() { return asio_->context; }

void RealEventLoop::Post(Callback callback) {
  {
    const std::lock_guard guard(post_lock_);
    posted_.push_back(std::move(callback));
    if (std::exchange(wake_up_sent_, true)) return;
  }
  WakeUp();
}

void RealEventLoop::WakeUp() {
  boost::asio::post(asio_->context, [this] { Drain(); });
}

void RealEventLoop::Drain() {
  bool more = true;
  {
    const std::lock_guard guard(state_lock_);
    for (int i = 0; i < kBatchMax && !stopped_; ++i) {
      if (next_ == running_.size()) {
        running_.clear();
        next_ = 0;
        const std::lock_guard post_guard(post_lock_);
        std::swap(running_, posted_);
        if (running_.empty()) {
          wake_up_sent_ = false;
          more = false;
          break;
        }
      }
      auto callback = std::move(running_[next_++]);
      callback();
    }
  }
  if (more) WakeUp();
}

EventLoop::TimerId RealEventLoop::Schedule(Duration delay, Callback callback) {
  const Duration wait = std::clamp<Duration>(delay, Duration::zero(), std::chrono::years(100));
  const TimerId id = timers_.Add(Now() + wait, ++timer_count_, std::move(callback));
  Arm();
  return id;
}

bool RealEventLoop::Cancel(TimerId timer) { return timers_.Remove(timer); }

void RealEventLoop::Arm() {
  // A timer that fires too early finds nothing due and sets itself anew; so only an earlier
  // deadline needs a system call, and cancelling needs none.
  if (timers_.empty() || timers_.first_deadline() >= armed_for_) return;
  armed_for_ = timers_.first_deadline();
  asio_->timer.expires_after(armed_for_ - Now());
  asio_->timer.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // replaced by an earlier deadline
    const std::lock_guard guard(state_lock_);
    RunDue();
  });
}

void RealEventLoop::RunDue() {
  armed_for_ = TimePoint::min();  // what the callbacks schedule is armed once, below
  const TimePoint now = Now();
  for (int i = 0; i < kBatchMax && !stopped_; ++i) {
    if (timers_.empty() || timers_.first_deadline() > now) break;
    auto callback = timers_.PopFirst();
    callback();
  }
  armed_for_ = TimePoint::max();
  Arm();
}

void RealEventLoop::Run() { asio_->context.run(); }

void RealEventLoop::RunInThread() {
  Check(!thread_.joinable(), "an event loop has one thread");
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "mobula-loop");
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void RealEventLoop::Join() {
  if (thread_.joinable()) thread_.join();
}

void RealEventLoop::Stop() {
  stopped_ = true;
  asio_->context.stop();
}

std::size_t RealEventLoop::PollOnce() { return asio_->context.poll(); }

}  // namespace mobula
