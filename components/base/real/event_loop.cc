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

namespace mobula {
namespace {

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
  asio_->doorbells.assign(Opened(::dup(doorbells().loop_descriptor())));
  WaitDoorbells();
  WaitDeferTimer();
}

RealEventLoop::~RealEventLoop() {
  Stop();
  Join();
  // What is destroyed below may post or set timers once more: there is no thread left to wake.
  posted_.Close();
  timers_.Close();
  asio_->context.shutdown();
  // Callbacks own sockets, which need the context to be closed; and each may own others. So they go
  // before the context does, until none is left.
  for (;;) {
    timers_.Clear();
    if (posted_.TakeAll().empty()) break;
  }
}

boost::asio::io_context& RealEventLoop::context() { return asio_->context; }

void RealEventLoop::Post(Callback callback) {
  // Only the first post of a burst has to wake the thread, and none while another thread polls.
  if (posted_.Post(std::move(callback))) WakeUp();
}

void RealEventLoop::Defer(Callback callback) {
  if (lock_.IsTurn()) return Post(std::move(callback));  // the loop is awake and runs it next
  SetDeferTimer(posted_.Defer(std::move(callback)));
}

void RealEventLoop::WakeUp() {
  boost::asio::post(asio_->context, [this] { Drain(); });
}

/// The loop's thread was woken to run what is posted. Between two batches it goes back to Asio, so
/// that a flood of posts keeps no socket waiting.
void RealEventLoop::Drain() {
  bool more = true;
  {
    const TurnLock::Turn turn(lock_);
    more = posted_.EndTurn(posted_.Run(stopped_));
  }
  if (more) WakeUp();
}

void RealEventLoop::SetDeferTimer(std::optional<Duration> after) {
  if (!after) return;
  itimerspec when{};
  when.it_value.tv_nsec = after->count();
  ::timerfd_settime(asio_->deferred.native_handle(), 0, &when, nullptr);
}

void RealEventLoop::WaitDeferTimer() {
  asio_->deferred.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                             [this](const boost::system::error_code& error) {
                               if (error) return;
                               std::uint64_t times = 0;
                               [[maybe_unused]] const ssize_t got =
                                   ::read(asio_->deferred.native_handle(), &times, sizeof times);
                               OnDeferTimer();
                               WaitDeferTimer();
                             });
}

/// Users' threads may have stopped waiting for a while. Then the loop takes over all that they did:
/// what is posted, and the doorbells.
void RealEventLoop::OnDeferTimer() {
  if (const std::optional<Duration> again = posted_.TimerFired()) return SetDeferTimer(again);
  {
    const TurnLock::Turn turn(lock_);
    // A thread may have begun to wait while we waited for the lock. Then the bells are its own.
    if (!posted_.IsPolling()) {
      peers_.SetPolled(false);
      sleepers_.ReturnBells();
    }
  }
  Drain();
}

void RealEventLoop::WaitDoorbells() {
  asio_->doorbells.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              Locked([this](const boost::system::error_code& error) {
                                if (error) return;
                                doorbells().Answer(peers_.IsPolled());
                                WaitDoorbells();
                              }));
}

void RealEventLoop::Await(std::unique_lock<std::mutex>& lock, WaitPoint& changed,
                          const std::function<bool()>& done) {
  if (done()) return;
  const TimePoint since = Now();
  std::optional<Duration> spin;  // known when it has to be
  // One thread polls for all that wait. The others, and the one that finds nothing, sleep.
  while (posted_.IsPolling() ? !done() : !PollUntilIdle(lock, done, spin)) {
    sleepers_.Sleep(lock, changed);
  }
  if (spin) spin_budget_.Add(since, Now());
  // If no other thread sleeps, the peers go on without ringing: this thread will likely wait again
  // soon, or else the deferral timer returns the bells. But threads that still sleep need them now.
  if (!sleepers_.AnyAsleep() || posted_.IsPolling()) return;
  peers_.SetPolled(false);
  sleepers_.ReturnBells();
}

/// \return whether `done`; false: there was nothing for long, and peers will ring.
bool RealEventLoop::PollUntilIdle(std::unique_lock<std::mutex>& lock,
                                  const std::function<bool()>& done,
                                  std::optional<Duration>& spin) {
  posted_.BeginPolling();
  for (;;) {
    peers_.SetPolled(true);
    if (Poll(lock, done, spin)) {
      SetDeferTimer(posted_.EndPolling());
      return true;
    }
    // First the peers are told to ring, then the queue is looked at for the last time: whatever
    // comes before the one is found by the other, and whatever comes later wakes somebody.
    peers_.SetPolled(false);
    if (posted_.EndPollingIfIdle()) return false;
  }
}

/// \return whether `done`; false: it is not worth to spin any longer.
bool RealEventLoop::Poll(std::unique_lock<std::mutex>& lock, const std::function<bool()>& done,
                         std::optional<Duration>& spin) {
  TimePoint last_news{};
  for (;;) {
    const bool is_busy = posted_.Run(stopped_);
    const bool is_news = peers_.Poll() || is_busy;
    if (done()) return true;
    // While there is work, this thread keeps the lock, unless the loop's thread wants a turn.
    if (is_news && !lock_.IsWanted()) continue;
    const TimePoint now = Now();
    if (!spin) spin = spin_budget_.Next(now);
    if (is_news || last_news == TimePoint()) last_news = now;
    if (!is_news && now - last_news >= *spin) return false;
    // Sockets and timers are the loop's thread's, and users' threads may want to submit: let them.
    lock.unlock();
    Pause();
    while (lock_.IsWanted()) std::this_thread::yield();
    lock.lock();
  }
}

EventLoop::TimerId RealEventLoop::Schedule(Duration delay, Callback callback) {
  const Duration wait = std::clamp<Duration>(delay, Duration::zero(), std::chrono::years(100));
  // One timer of the system serves all of ours: it is set for the first deadline only.
  const TimerId id = timers_.Add(Now() + wait, std::move(callback));
  SetSystemTimer();
  return id;
}

bool RealEventLoop::Cancel(TimerId timer) { return timers_.Cancel(timer); }

void RealEventLoop::SetSystemTimer() {
  const std::optional<TimePoint> when = timers_.NextToSet();
  if (!when) return;
  asio_->timer.expires_after(*when - Now());
  asio_->timer.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // it was set to an earlier deadline meanwhile
    const TurnLock::Turn turn(lock_);
    timers_.RunDue(Now(), stopped_);
    SetSystemTimer();
  });
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
