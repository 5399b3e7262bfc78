#include "components/base/real/event_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "components/base/real/pollable.h"
#include "tests/patience.h"

namespace mobula {
namespace {

using namespace std::chrono_literals;

bool IsLocked(std::mutex& mutex) {
  return !std::async(std::launch::async, [&] {
            const bool free = mutex.try_lock();
            if (free) mutex.unlock();
            return free;
          }).get();
}

TEST(RealEventLoopTest, CallbacksAndTimersHoldTheStateLock) {
  RealEventLoop loop;
  std::promise<void> done;
  loop.Post([&] {
    EXPECT_TRUE(IsLocked(loop.StateLock()));
    loop.Schedule(1ms, [&] {
      EXPECT_TRUE(IsLocked(loop.StateLock()));
      done.set_value();
    });
  });
  loop.RunInThread();
  Within(done.get_future(), "the last handler to run");
}

TEST(RealEventLoopTest, LockedHandlersHoldTheLockUntilTheirCapturesAreGone) {
  struct ChecksLock {
    RealEventLoop* loop;
    bool* seen;
    ~ChecksLock() { *seen = IsLocked(loop->StateLock()); }
  };
  RealEventLoop loop;
  bool locked_inside = false;
  bool locked_at_death = false;
  boost::asio::post(
      loop.context(),
      loop.Locked([&, keep = std::make_unique<ChecksLock>(ChecksLock{&loop, &locked_at_death})] {
        locked_inside = IsLocked(loop.StateLock());
      }));
  locked_at_death = false;  // set by the temporary above
  loop.PollOnce();
  EXPECT_TRUE(locked_inside);
  EXPECT_TRUE(locked_at_death);
  loop.Enter([&] { EXPECT_TRUE(IsLocked(loop.StateLock())); });
  EXPECT_FALSE(IsLocked(loop.StateLock()));
}

TEST(RealEventLoopTest, PostsOfManyThreadsAllRunEachThreadsInOrder) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  RealEventLoop loop;
  loop.RunInThread();
  std::vector<std::vector<int>> seen(kThreads);
  std::promise<void> done;
  int total = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kPosts; ++i) {
          loop.Post([&, t, i] {
            seen[t].push_back(i);
            if (++total == kThreads * kPosts) done.set_value();
          });
        }
      });
    }
  }
  Within(done.get_future(), "the last handler to run");
  for (const auto& of_thread : seen) EXPECT_TRUE(std::ranges::is_sorted(of_thread));
}

TEST(RealEventLoopTest, AUserThreadMaySetAndCancelTimersUnderTheLock) {
  RealEventLoop loop;
  loop.RunInThread();
  std::promise<void> done;
  for (int i = 0; i < 1000; ++i) {
    const std::lock_guard guard(loop.StateLock());
    const auto id = loop.Schedule(1ms, [] { FAIL() << "was cancelled"; });
    EXPECT_TRUE(loop.Cancel(id));
  }
  {
    const std::lock_guard guard(loop.StateLock());
    loop.Schedule(1ms, [&] { done.set_value(); });
  }
  Within(done.get_future(), "the last handler to run");
}

TEST(RealEventLoopTest, StopBeforeRunAndFromACallbackEndsTheLoop) {
  RealEventLoop stopped_early;
  stopped_early.Stop();
  stopped_early.Run();

  RealEventLoop loop;
  bool after_stop = false;
  loop.Post([&] { loop.Stop(); });
  loop.Post([&] { after_stop = true; });
  loop.RunInThread();
  loop.Join();
  EXPECT_FALSE(after_stop);
}

TEST(RealEventLoopTest, PollOnceRunsWhatIsReadyAndDoesNotBlock) {
  RealEventLoop loop;
  EXPECT_EQ(loop.PollOnce(), 0U);
  int ran = 0;
  for (int i = 0; i < 200; ++i) loop.Post([&] { ++ran; });
  EXPECT_GT(loop.PollOnce(), 0U);
  EXPECT_EQ(ran, 200);
  loop.Post([&] { loop.Post([&] { ++ran; }); });
  while (loop.PollOnce() > 0) continue;
  EXPECT_EQ(ran, 201);
}

TEST(RealEventLoopTest, AUserThreadMayPollNextToTheLoop) {
  RealEventLoop loop;
  loop.RunInThread();
  std::atomic<int> ran = 0;
  for (int i = 0; i < 2000; ++i) {
    loop.Post([&] { ++ran; });
    loop.PollOnce();
  }
  while (ran < 2000) loop.PollOnce();
  EXPECT_EQ(ran, 2000);
}

/// Memory of which the test says when something has come.
class FakePollable final : public Pollable {
 public:
  bool Poll() override { return on_poll ? on_poll() : false; }
  void SetPolled(bool polled) override {
    if (std::exchange(is_polled, polled) && !polled && on_rest) on_rest();
  }
  std::function<bool()> on_poll;
  std::function<void()> on_rest;
  bool is_polled = false;
};

TEST(RealEventLoopTest, AwaitLooksAtPollablesAndTheLoopTakesThemOverAfterwards) {
  RealEventLoop loop;
  std::unique_lock lock(loop.StateLock());
  FakePollable pollable;
  loop.peers().Add(pollable);
  int looks = 0;
  pollable.on_poll = [&] {
    EXPECT_TRUE(pollable.is_polled);
    ++looks;
    return true;  // so that the thread keeps looking
  };
  WaitPoint changed;
  loop.Await(lock, changed, [&] { return looks == 1000; });
  EXPECT_TRUE(pollable.is_polled) << "who waited once will soon wait again";
  lock.unlock();
  while (pollable.is_polled) loop.PollOnce();
  lock.lock();
  loop.peers().Remove(pollable);
}

TEST(RealEventLoopTest, AwaitSleepsWhenNothingComesAndWakesWhenNotified) {
  RealEventLoop loop;
  FakePollable pollable;
  bool done = false;
  WaitPoint changed;
  std::promise<void> rests;
  std::jthread other;
  std::unique_lock lock(loop.StateLock());
  loop.peers().Add(pollable);
  pollable.on_rest = [&] {
    other = std::jthread([&] {
      const std::lock_guard guard(loop.StateLock());  // free only because the waiting thread sleeps
      done = true;
      changed.Notify();
    });
  };
  loop.Await(lock, changed, [&] { return done; });
  loop.peers().Remove(pollable);
}

/// Waits in `loop` until `pollable` was rung for by another thread; `bell` rings when it sleeps.
/// \return the thread that looked at it last.
std::thread::id WhoAnswers(RealEventLoop& loop, FakePollable& pollable, int bell) {
  WaitPoint changed;
  std::jthread peer;
  std::thread::id who;
  bool is_there = false;
  bool done = false;
  pollable.on_rest = [&] {
    if (peer.joinable()) return;
    peer = std::jthread([&] {
      {
        const std::lock_guard guard(loop.StateLock());  // only free because the thread sleeps
        is_there = true;
      }
      ::eventfd_write(bell, 1);
    });
  };
  pollable.on_poll = [&] {
    if (!std::exchange(is_there, false)) return false;
    who = std::this_thread::get_id();
    done = true;
    changed.Notify();
    return true;
  };
  std::unique_lock lock(loop.StateLock());
  loop.peers().Add(pollable);
  EXPECT_TRUE(loop.doorbells().Add(bell, pollable));
  loop.Await(lock, changed, [&] { return done; });
  loop.doorbells().Remove(bell, pollable);
  loop.peers().Remove(pollable);
  pollable.on_poll = nullptr;
  pollable.on_rest = nullptr;
  return who;
}

TEST(RealEventLoopTest, AThreadThatSleepsInAwaitAnswersTheDoorbellsItself) {
  RealEventLoop loop;
  loop.RunInThread();
  const int bell = ::eventfd(0, EFD_NONBLOCK);
  FakePollable pollable;
  EXPECT_EQ(WhoAnswers(loop, pollable, bell), std::this_thread::get_id());
  ::close(bell);
}

TEST(RealEventLoopTest, TheLoopAnswersTheDoorbellsOnceNobodyWaits) {
  RealEventLoop loop;
  const int bell = ::eventfd(0, EFD_NONBLOCK);
  FakePollable pollable;
  (void)WhoAnswers(loop, pollable, bell);
  {
    const std::lock_guard guard(loop.StateLock());
    EXPECT_TRUE(loop.doorbells().Add(bell, pollable));
    loop.peers().Add(pollable);
  }
  bool was_looked_at = false;
  pollable.on_poll = [&] { return was_looked_at = true; };
  while (!was_looked_at) {
    ::eventfd_write(bell, 1);
    loop.PollOnce();
  }
  const std::lock_guard guard(loop.StateLock());
  EXPECT_FALSE(pollable.is_polled);
  loop.doorbells().Remove(bell, pollable);
  loop.peers().Remove(pollable);
  ::close(bell);
}

TEST(RealEventLoopTest, WhoFollowsIsServedWhenTheThreadThatLedLeaves) {
  RealEventLoop loop;
  loop.RunInThread();
  WaitPoint first;
  WaitPoint second;
  bool first_done = false;
  bool second_done = false;
  std::jthread leader([&] {
    std::unique_lock lock(loop.StateLock());
    loop.Await(lock, first, [&] { return first_done; });
  });
  std::unique_lock lock(loop.StateLock());
  loop.Post([&] {
    first_done = true;
    first.Notify();
  });
  loop.Schedule(1ms, [&] {
    second_done = true;
    second.Notify();
  });
  loop.Await(lock, second, [&] { return second_done; });
  lock.unlock();
  leader.join();
  EXPECT_TRUE(first_done);
}

TEST(RealEventLoopTest, AThreadThatWaitsIsNotHeldUpByOneThatSleeps) {
  RealEventLoop loop;  // and nobody runs it
  WaitPoint first;
  WaitPoint second;
  FakePollable pollable;
  bool first_done = false;
  bool second_done = false;
  std::promise<void> rests;
  pollable.on_rest = [&] { rests.set_value(); };
  loop.peers().Add(pollable);
  std::jthread sleeper([&] {
    std::unique_lock lock(loop.StateLock());
    loop.Await(lock, first, [&] { return first_done; });
  });
  Within(rests.get_future(), "the thread to sleep");
  std::unique_lock lock(loop.StateLock());  // free, now that it sleeps
  pollable.on_rest = nullptr;
  loop.Defer([&] { second_done = true; });
  loop.Await(lock, second, [&] { return second_done; });
  EXPECT_FALSE(pollable.is_polled) << "who sleeps must be rung for";
  loop.Await(lock, second, [looked = false]() mutable { return std::exchange(looked, true); });
  first_done = true;
  first.Notify();
  lock.unlock();
  sleeper.join();
  loop.peers().Remove(pollable);
}

TEST(RealEventLoopTest, TheLoopGetsItsTurnsWhileAThreadWaits) {
  RealEventLoop loop;
  loop.RunInThread();
  std::unique_lock lock(loop.StateLock());
  FakePollable busy;
  busy.on_poll = [] { return true; };
  loop.peers().Add(busy);
  WaitPoint changed;
  bool done = false;
  loop.Schedule(1ms, [&] { done = true; });
  loop.Await(lock, changed, [&] { return done; });
  loop.peers().Remove(busy);
}

TEST(RealEventLoopTest, APollableMayGoWhileItIsPolled) {
  RealEventLoop loop;
  std::unique_lock lock(loop.StateLock());
  auto first = std::make_unique<FakePollable>();
  FakePollable second;
  int looks = 0;
  first->on_poll = [&] {
    loop.peers().Remove(*first);
    first.reset();
    return true;
  };
  second.on_poll = [&] { return ++looks > 0; };
  loop.peers().Add(*first);
  loop.peers().Add(second);
  WaitPoint changed;
  loop.Await(lock, changed, [&] { return looks == 10; });
  EXPECT_EQ(first, nullptr);
  loop.peers().Remove(second);
}

TEST(RealEventLoopTest, WhatIsDeferredRunsWhileUsersThreadsKeepTheLockBusy) {
  RealEventLoop loop;
  loop.RunInThread();
  std::atomic<bool> ran = false;
  loop.Defer([&] { ran = true; });
  while (!ran) {
    const std::lock_guard guard(loop.StateLock());
  }
}

}  // namespace
}  // namespace mobula
