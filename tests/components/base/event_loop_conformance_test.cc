// Every EventLoop must keep the promises of event_loop.h; each check names the one it enforces.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "components/base/lifetime.h"
#include "components/base/real/event_loop.h"
#include "components/base/simulated/event_loop.h"
#include "components/base/simulated/scoped_loop.h"

namespace mobula {
namespace {

using namespace std::chrono_literals;

/// A loop, and how a test drives it.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual EventLoop& loop() = 0;
  /// Runs the loop until the condition holds. \return false if it will not.
  virtual bool RunUntil(const std::function<bool()>& condition) = 0;
  /// Destroys the loop.
  virtual void Destroy() = 0;
};

class RealSubject final : public Subject {
 public:
  EventLoop& loop() override { return *loop_; }
  bool RunUntil(const std::function<bool()>& condition) override {
    while (!condition()) {
      if (loop_->context().run_one_for(30s) == 0) return false;
    }
    return true;
  }
  void Destroy() override { loop_.reset(); }

 private:
  std::unique_ptr<RealEventLoop> loop_ = std::make_unique<RealEventLoop>();
};

class SimulatedSubject final : public Subject {
 public:
  explicit SimulatedSubject(SimulatedEventLoop::Order order)
      : loop_(std::make_unique<SimulatedEventLoop>(7, order)) {}
  EventLoop& loop() override { return *loop_; }
  bool RunUntil(const std::function<bool()>& condition) override {
    return loop_->RunUntil(condition, 1h);
  }
  void Destroy() override { loop_.reset(); }

 private:
  std::unique_ptr<SimulatedEventLoop> loop_;
};

class ScopedSubject final : public Subject {
 public:
  explicit ScopedSubject(ClockSkew skew)
      : scoped_(std::make_unique<ScopedEventLoop>(inner_, skew)) {}
  EventLoop& loop() override { return *scoped_; }
  bool RunUntil(const std::function<bool()>& condition) override {
    return inner_.RunUntil(condition, 1h);
  }
  void Destroy() override { scoped_.reset(); }

 private:
  SimulatedEventLoop inner_{7};
  std::unique_ptr<ScopedEventLoop> scoped_;
};

struct Kind {
  std::string name;
  std::function<std::unique_ptr<Subject>()> make;
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class EventLoopConformanceTest : public testing::TestWithParam<Kind> {
 protected:
  EventLoop& loop() { return subject_->loop(); }
  void Locked(const std::function<void()>& function) {
    const std::lock_guard guard(loop().StateLock());
    function();
  }
  bool RunUntil(const std::function<bool()>& condition) { return subject_->RunUntil(condition); }
  /// Runs everything that was posted so far.
  void RunPosted() {
    bool done = false;
    loop().Post([&] { done = true; });
    ASSERT_TRUE(RunUntil([&] { return done; }));
  }

  std::unique_ptr<Subject> subject_ = GetParam().make();
};

TEST_P(EventLoopConformanceTest, PostNeverRunsInsideTheCall) {
  bool ran = false;
  loop().Post([&] { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_TRUE(RunUntil([&] { return ran; }));
}

TEST_P(EventLoopConformanceTest, PostsOfOneThreadRunInOrder) {
  std::vector<int> seen;
  for (int i = 0; i < 1000; ++i) {
    loop().Post([&, i] {
      seen.push_back(i);
      if (i < 500) loop().Post([&, i] { seen.push_back(1000 + i); });
    });
  }
  ASSERT_TRUE(RunUntil([&] { return seen.size() == 1500; }));
  EXPECT_TRUE(std::ranges::is_sorted(seen));
}

TEST_P(EventLoopConformanceTest, PostFromACallbackRunsAfterItReturns) {
  std::vector<std::string> seen;
  loop().Post([&] {
    loop().Post([&] { seen.emplace_back("inner"); });
    seen.emplace_back("outer");
  });
  ASSERT_TRUE(RunUntil([&] { return seen.size() == 2; }));
  EXPECT_EQ(seen.front(), "outer");
}

TEST_P(EventLoopConformanceTest, DeferRunsInOneOrderWithPostAndByItself) {
  std::vector<int> seen;
  loop().Defer([&] { seen.push_back(1); });
  loop().Post([&] { seen.push_back(2); });
  loop().Defer([&] { seen.push_back(3); });
  EXPECT_TRUE(seen.empty());
  ASSERT_TRUE(RunUntil([&] { return seen.size() == 3; }));
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  loop().Defer([&] { seen.push_back(4); });
  EXPECT_TRUE(RunUntil([&] { return seen.size() == 4; }));
}

TEST_P(EventLoopConformanceTest, AwaitRunsWhatWasPostedAndDeferredAndKeepsTheLock) {
  std::unique_lock lock(loop().StateLock());
  WaitPoint changed;
  std::vector<int> seen;
  loop().Defer([&] { seen.push_back(1); });
  loop().Post([&] {
    seen.push_back(2);
    loop().Defer([&] { seen.push_back(3); });
  });
  loop().Await(lock, changed, [&] { return seen.size() == 3; });
  EXPECT_TRUE(lock.owns_lock());
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST_P(EventLoopConformanceTest, PostMayBeCalledUnderTheStateLock) {
  bool ran = false;
  Locked([&] { loop().Post([&] { ran = true; }); });
  EXPECT_TRUE(RunUntil([&] { return ran; }));
}

TEST_P(EventLoopConformanceTest, TimersRunInOrderOfDeadlineAndNotTooEarly) {
  std::vector<int> seen;
  const TimePoint start = loop().Now();
  Locked([&] {
    for (const int ms : {5, 1, 3, 2, 4}) {
      loop().Schedule(std::chrono::milliseconds(ms), [&, ms] {
        EXPECT_GE(loop().Now() - start, std::chrono::milliseconds(ms));
        seen.push_back(ms);
      });
    }
  });
  ASSERT_TRUE(RunUntil([&] { return seen.size() == 5; }));
  EXPECT_EQ(seen, (std::vector{1, 2, 3, 4, 5}));
}

TEST_P(EventLoopConformanceTest, ADelayBelowZeroIsZero) {
  bool ran = false;
  Locked([&] { loop().Schedule(-1h, [&] { ran = true; }); });
  EXPECT_FALSE(ran);
  EXPECT_TRUE(RunUntil([&] { return ran; }));
}

TEST_P(EventLoopConformanceTest, CancelForgetsATimerOnce) {
  bool cancelled_ran = false;
  bool later_ran = false;
  Locked([&] {
    const auto id = loop().Schedule(1ms, [&] { cancelled_ran = true; });
    loop().Schedule(2ms, [&] { later_ran = true; });
    EXPECT_NE(id, 0U);
    EXPECT_TRUE(loop().Cancel(id));
    EXPECT_FALSE(loop().Cancel(id));
  });
  ASSERT_TRUE(RunUntil([&] { return later_ran; }));
  EXPECT_FALSE(cancelled_ran);
}

TEST_P(EventLoopConformanceTest, CancelOfNoTimerOrOneThatRanIsFalse) {
  bool ran = false;
  EventLoop::TimerId id = 0;
  Locked([&] {
    EXPECT_FALSE(loop().Cancel(0));
    EXPECT_FALSE(loop().Cancel(12345));
    id = loop().Schedule(0ms, [&] { ran = true; });
  });
  ASSERT_TRUE(RunUntil([&] { return ran; }));
  Locked([&] { EXPECT_FALSE(loop().Cancel(id)); });
}

TEST_P(EventLoopConformanceTest, AReusedHandleIsNotMistaken) {
  int ran = 0;
  Locked([&] {
    const auto old = loop().Schedule(1ms, [&] { ran += 100; });
    EXPECT_TRUE(loop().Cancel(old));
    loop().Schedule(1ms, [&] { ++ran; });
    EXPECT_FALSE(loop().Cancel(old));
  });
  EXPECT_TRUE(RunUntil([&] { return ran > 0; }));
  EXPECT_EQ(ran, 1);
}

TEST_P(EventLoopConformanceTest, AnEarlierTimerOvertakesALongOne) {
  bool ran = false;
  Locked([&] {
    loop().Schedule(10h, [] { FAIL() << "not yet"; });
    loop().Schedule(1ms, [&] { ran = true; });
  });
  EXPECT_TRUE(RunUntil([&] { return ran; }));
}

TEST_P(EventLoopConformanceTest, ACallbackMayCancelATimerThatIsDueToo) {
  bool ran = false;
  bool other_ran = false;
  bool end = false;
  Locked([&] {
    EventLoop::TimerId ids[2];
    auto shared = std::make_shared<std::array<EventLoop::TimerId, 2>>();
    ids[0] = loop().Schedule(1ms, [&, shared] {
      ran = true;
      loop().Cancel((*shared)[1]);
    });
    ids[1] = loop().Schedule(1ms, [&, shared] {
      other_ran = true;
      loop().Cancel((*shared)[0]);
    });
    *shared = {ids[0], ids[1]};
    loop().Schedule(3ms, [&] { end = true; });
  });
  ASSERT_TRUE(RunUntil([&] { return end; }));
  EXPECT_NE(ran, other_ran);
}

TEST_P(EventLoopConformanceTest, CapturesMayUseTheLoopWhenTheyDie) {
  struct Noisy {
    EventLoop* loop;
    EventLoop::TimerId timer = 0;
    ~Noisy() {
      loop->Cancel(timer);
      loop->Post([] {});
      loop->Schedule(1ms, [] {});
    }
  };
  Locked([&] {
    auto noisy = std::make_shared<Noisy>(Noisy{&loop()});
    noisy->timer = loop().Schedule(1h, [] {});
    const auto id = loop().Schedule(1h, [keep = std::move(noisy)] {});
    EXPECT_TRUE(loop().Cancel(id));
    loop().Schedule(1h, [keep = std::make_shared<Noisy>(Noisy{&loop()})] {});
  });
  RunPosted();
  loop().Post([keep = std::make_shared<Noisy>(Noisy{&loop()})] {});
  subject_->Destroy();
}

TEST_P(EventLoopConformanceTest, CallbacksThatDidNotRunAreDestroyedWithTheLoop) {
  auto token = std::make_shared<int>(0);
  loop().Post([token] { FAIL(); });
  Locked([&] { loop().Schedule(1ms, [token] { FAIL(); }); });
  EXPECT_EQ(token.use_count(), 3);
  subject_->Destroy();
  EXPECT_EQ(token.use_count(), 1);
}

TEST_P(EventLoopConformanceTest, ATimerObjectCancelsWhenSetAgainAndWhenDestroyed) {
  std::vector<int> seen;
  Locked([&] {
    auto timer = std::make_unique<Timer>(loop());
    timer->Set(1ms, [&] { seen.push_back(1); });
    timer->Set(2ms, [&, &keep = *timer] {
      EXPECT_FALSE(keep.IsSet());
      seen.push_back(2);
    });
    EXPECT_TRUE(timer->IsSet());
    {
      Timer dies(loop());
      dies.Set(1ms, [&] { seen.push_back(3); });
    }
    loop().Schedule(5ms, [&, timer = std::move(timer)] { seen.push_back(4); });
  });
  ASSERT_TRUE(RunUntil([&] { return !seen.empty() && seen.back() == 4; }));
  EXPECT_EQ(seen, (std::vector{2, 4}));
}

TEST_P(EventLoopConformanceTest, ATimersCallbackMayDestroyTheTimer) {
  bool ran = false;
  auto timer = std::make_unique<Timer>(loop());
  Locked([&] {
    timer->Set(1ms, [&] {
      timer.reset();
      ran = true;
    });
  });
  EXPECT_TRUE(RunUntil([&] { return ran; }));
}

TEST_P(EventLoopConformanceTest, ABoundCallbackIsSilentAfterItsOwner) {
  bool ran = false;
  {
    const Lifetime alive;
    loop().Post(alive.Bind([&] { ran = true; }));
  }
  RunPosted();
  EXPECT_FALSE(ran);
}

INSTANTIATE_TEST_SUITE_P(
    All, EventLoopConformanceTest,
    testing::Values(
        Kind{"real", [] { return std::make_unique<RealSubject>(); }},
        Kind{"simulated_fifo",
             [] { return std::make_unique<SimulatedSubject>(SimulatedEventLoop::Order::kFifo); }},
        Kind{"simulated_shuffled",
             [] {
               return std::make_unique<SimulatedSubject>(SimulatedEventLoop::Order::kShuffled);
             }},
        Kind{"scoped", [] { return std::make_unique<ScopedSubject>(ClockSkew{}); }},
        Kind{"scoped_skewed", [] { return std::make_unique<ScopedSubject>(ClockSkew{3s, 1.5}); }}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace mobula
