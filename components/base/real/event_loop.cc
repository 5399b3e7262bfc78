#include "components/base/real/event_loop.h"

#include <pthread.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>

#include "components/base/check.h"
#include "components/base/real/pollable.h"

namespace mobula {
namespace {

/// Callbacks run before the lock is let go and Asio looks at sockets again.
constexpr int kBatchMax = 64;
/// How long what is deferred may lie while users' threads do something else; up to twice the longer
/// one if they waited a moment ago.
constexpr Duration kDeferMin = std::chrono::microseconds(250);
constexpr Duration kDeferMax = std::chrono::milliseconds(2);
constexpr int kPausesPerSpin = 4;

int Opened(int descriptor) {
  Check(descriptor >= 0, "a process has descriptors for its event loop (ulimit -n)");
  return descriptor;
}

/// Lets the other hardware thread of this core go first.
void Pause() {
  for (int i = 0; i < kPausesPerSpin; ++i) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
  }
}

}  // namespace

struct RealEventLoop::Asio {
  struct Context : boost::asio::io_context {
    using boost::asio::io_context::shutdown;  // destroys all handlers, and keeps the services
  } context;
  boost::asio::steady_timer timer{context};
  boost::asio::posix::stream_descriptor deferred{
      context, Opened(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC))};
  boost::asio::posix::stream_descriptor doorbells{context};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
};

RealEventLoop::RealEventLoop() : asio_(std::make_unique<Asio>()) {
  asio_->doorbells.assign(Opened(::dup(doorbells_.loop_descriptor())));
  WaitDoorbells();
  WaitDeferred();
}

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
    if (is_polling_ || std::exchange(wake_up_sent_, true)) return;
  }
  WakeUp();
}

void RealEventLoop::Defer(Callback callback) {
  if (is_turn_) return Post(std::move(callback));  // the loop is awake and runs it next
  const std::lock_guard guard(post_lock_);
  posted_.push_back(std::move(callback));
  if (!is_polling_ && !wake_up_sent_) ArmDeferred();
}

void RealEventLoop::ArmDeferred() {
  if (std::exchange(is_deferred_, true)) return;
  itimerspec when{};
  when.it_value.tv_nsec = defer_for_.count();
  ::timerfd_settime(asio_->deferred.native_handle(), 0, &when, nullptr);
}

void RealEventLoop::WaitDeferred() {
  asio_->deferred.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                             [this](const boost::system::error_code& error) {
                               if (error) return;
                               std::uint64_t times = 0;
                               [[maybe_unused]] const ssize_t got =
                                   ::read(asio_->deferred.native_handle(), &times, sizeof times);
                               RunDeferred();
                               WaitDeferred();
                             });
}

/// Whoever waits now and then runs what is deferred and looks at the rings: that is not for us to
/// disturb, as to wait for the state lock costs the one who holds it a system call. We take over
/// when nobody has waited since the last time.
void RealEventLoop::RunDeferred() {
  {
    const std::lock_guard guard(post_lock_);
    is_deferred_ = false;
    if (is_polling_ || awaits_seen_ != awaits_) {
      awaits_seen_ = awaits_;
      defer_for_ = std::min(2 * defer_for_, kDeferMax);
      ArmDeferred();
      return;
    }
    defer_for_ = kDeferMin;
  }
  {
    const Turn turn(*this);
    if (!is_polling_) SetPolled(false);
    if (!is_polling_ && !is_answered_) doorbells_.GiveToLoop(true);
  }
  Drain();
}

void RealEventLoop::WaitDoorbells() {
  asio_->doorbells.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              Locked([this](const boost::system::error_code& error) {
                                if (error) return;
                                doorbells_.Answer(is_polled_);
                                WaitDoorbells();
                              }));
}

void RealEventLoop::WakeUp() {
  boost::asio::post(asio_->context, [this] { Drain(); });
}

void RealEventLoop::Drain() {
  bool more = true;
  {
    const Turn turn(*this);
    more = RunPosted();
    const std::lock_guard post_guard(post_lock_);
    more = more || !posted_.empty();
    wake_up_sent_ = more;
  }
  if (more) WakeUp();
}

/// \return whether it stopped before it had run all.
bool RealEventLoop::RunPosted() {
  for (int i = 0; i < kBatchMax && !stopped_; ++i) {
    if (next_ == running_.size()) {
      running_.clear();
      next_ = 0;
      const std::lock_guard guard(post_lock_);
      std::swap(running_, posted_);
      if (running_.empty()) return false;
    }
    auto callback = std::move(running_[next_++]);
    callback();
  }
  return !stopped_;
}

/// Each thread that waits runs what is posted and polls, unless another does. Then it sleeps: one
/// of those that do answers the doorbells. Who is done leaves nobody to ring for, as it will soon
/// wait again, or `RunDeferred` takes over; those that still sleep need the bells now.
void RealEventLoop::Await(std::unique_lock<std::mutex>& lock, WaitPoint& changed,
                          const std::function<bool()>& done) {
  if (done()) return;
  const TimePoint since = Now();
  std::optional<Duration> spin;  // known when it has to be
  while (is_polling_ ? !done() : !PollUntilIdle(lock, done, spin)) Sleep(lock, changed);
  if (spin) {
    spin_budget_.Add(since, Now());
    if (!std::exchange(is_peer_new_, false)) peer_core_.reset();
  }
  if (sleeping_ == 0 || is_polling_) return;
  SetPolled(false);
  if (!is_answered_) doorbells_.GiveToLoop(true);
}

/// \return whether `done`; false: there was nothing for long, and peers will ring.
bool RealEventLoop::PollUntilIdle(std::unique_lock<std::mutex>& lock,
                                  const std::function<bool()>& done,
                                  std::optional<Duration>& spin) {
  SetPolling(true);
  for (;;) {
    SetPolled(true);
    if (Poll(lock, done, spin)) {
      SetPolling(false);
      return true;
    }
    SetPolled(false);
    if (StopPollingIfIdle()) return false;
  }
}

void RealEventLoop::Sleep(std::unique_lock<std::mutex>& lock, WaitPoint& changed) {
  ++sleeping_;
  if (is_answered_) {
    changed.Wait(lock);
  } else {
    is_answered_ = true;
    doorbells_.GiveToLoop(false);
    changed.OnNotify([this] { doorbells_.Wake(); });
    lock.unlock();
    doorbells_.Sleep();
    lock.lock();
    changed.OnNotify(nullptr);
    is_answered_ = false;
  }
  --sleeping_;
}

/// \return whether `done`; false: it is not worth to spin any longer.
bool RealEventLoop::Poll(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                         std::optional<Duration>& spin) {
  TimePoint last_news{};
  for (;;) {
    const bool is_busy = RunPosted();
    const bool is_news = PollOthers() || is_busy;
    if (done()) return true;
    if (is_news && turns_waiting_ == 0) continue;
    const TimePoint now = Now();
    if (!spin) spin = spin_budget_.Next(now, peer_core_);
    if (is_news || last_news == TimePoint()) last_news = now;
    if (!is_news && now - last_news >= *spin) return false;
    lock.unlock();
    Pause();
    while (turns_waiting_ > 0) std::this_thread::yield();
    lock.lock();
  }
}

void RealEventLoop::SetPolling(bool polling) {
  const std::lock_guard guard(post_lock_);
  is_polling_ = polling;
  if (polling) ++awaits_;
  if (!polling) ArmDeferred();  // for what is left, and to take over
}

/// \return false if something was posted: it is the poller's to run.
bool RealEventLoop::StopPollingIfIdle() {
  const std::lock_guard guard(post_lock_);
  if (!posted_.empty() || next_ != running_.size()) return false;
  is_polling_ = false;
  return true;
}

/// \return whether anything had come from another process.
bool RealEventLoop::PollOthers() {
  bool is_news = false;
  // They may come and go meanwhile. NOLINTNEXTLINE(modernize-loop-convert)
  for (std::size_t i = 0; i < pollables_.size(); ++i) {
    if (pollables_[i] != nullptr) is_news = pollables_[i]->Poll() || is_news;
  }
  std::erase(pollables_, nullptr);
  return is_news;
}

void RealEventLoop::SetPolled(bool polled) {
  if (std::exchange(is_polled_, polled) == polled) return;
  for (Pollable* pollable : pollables_) {
    if (pollable != nullptr) pollable->SetPolled(polled);
  }
}

void RealEventLoop::AddPollable(Pollable& pollable) {
  pollables_.push_back(&pollable);
  pollable.SetPolled(is_polled_);
}

void RealEventLoop::RemovePollable(Pollable& pollable) {
  std::ranges::replace(pollables_, &pollable, nullptr);
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
    const Turn turn(*this);
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
