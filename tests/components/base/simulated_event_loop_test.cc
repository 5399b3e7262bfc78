#include "components/base/simulated/event_loop.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "components/base/simulated/scoped_loop.h"

namespace mobula {
namespace {

using namespace std::chrono_literals;
using Order = SimulatedEventLoop::Order;

std::string RunTenTimers(std::uint64_t seed, Order order, std::uint64_t* digest) {
  SimulatedEventLoop loop(seed, order);
  std::string seen;
  for (char c = 'a'; c <= 'j'; ++c) {
    loop.Schedule(1s, [&, c] {
      seen.push_back(c);
      loop.Mix(std::string_view(&c, 1));
    });
  }
  loop.RunUntilIdle(100);
  *digest = loop.Digest();
  return seen;
}

TEST(SimulatedEventLoopTest, TimePassesOnlyWhenNothingIsReady) {
  SimulatedEventLoop loop(1);
  TimePoint posted_at;
  loop.Schedule(1h, [] {});
  loop.Post([&] { posted_at = loop.Now(); });
  EXPECT_EQ(loop.RunReady(), 1U);
  EXPECT_EQ(posted_at, TimePoint());
  EXPECT_TRUE(loop.RunOne());
  EXPECT_EQ(loop.Now(), TimePoint(1h));
  EXPECT_FALSE(loop.RunOne());
}

TEST(SimulatedEventLoopTest, RunForStandsAtItsEnd) {
  SimulatedEventLoop loop(1);
  int ran = 0;
  loop.Schedule(10s, [&] { ++ran; });
  loop.Schedule(11s, [&] { ++ran; });
  loop.RunFor(10s);
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(loop.Now(), TimePoint(10s));
  loop.RunFor(5s);
  EXPECT_EQ(ran, 2);
  EXPECT_EQ(loop.Now(), TimePoint(15s));
}

TEST(SimulatedEventLoopTest, RunUntilStopsAtTheConditionOrAtTheLimit) {
  SimulatedEventLoop loop(1);
  bool flag = false;
  loop.Schedule(3s, [&] { flag = true; });
  EXPECT_FALSE(loop.RunUntil([&] { return flag; }, 2s));
  EXPECT_EQ(loop.Now(), TimePoint(2s));
  EXPECT_TRUE(loop.RunUntil([&] { return flag; }, 10s));
  EXPECT_EQ(loop.Now(), TimePoint(3s));
}

TEST(SimulatedEventLoopTest, RunUntilIdleStopsAtItsBound) {
  SimulatedEventLoop loop(1);
  std::function<void()> again = [&] { loop.Schedule(1s, [&] { again(); }); };
  again();
  EXPECT_EQ(loop.RunUntilIdle(50), 50U);
}

TEST(SimulatedEventLoopTest, FifoRunsTimersOfOneDeadlineInOrder) {
  std::uint64_t digest = 0;
  EXPECT_EQ(RunTenTimers(1, Order::kFifo, &digest), "abcdefghij");
}

TEST(SimulatedEventLoopTest, TheSameSeedGivesTheSameRunAndAnotherAnother) {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  EXPECT_EQ(RunTenTimers(5, Order::kShuffled, &first), RunTenTimers(5, Order::kShuffled, &second));
  EXPECT_EQ(first, second);
  std::set<std::string> orders;
  std::set<std::uint64_t> digests;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    orders.insert(RunTenTimers(seed, Order::kShuffled, &first));
    digests.insert(first);
  }
  EXPECT_GT(orders.size(), 15U);
  EXPECT_EQ(digests.size(), 20U);
}

TEST(SimulatedEventLoopTest, TheDigestSeesTimeAndLogLines) {
  SimulatedEventLoop a(1);
  SimulatedEventLoop b(1);
  EXPECT_EQ(a.Digest(), b.Digest());
  a.Schedule(1s, [] {});
  b.Schedule(2s, [] {});
  a.RunFor(2s);
  b.RunFor(2s);
  EXPECT_NE(a.Digest(), b.Digest());
  SimulatedEventLoop c(1);
  SimulatedEventLoop d(1);
  c.Mix("task=1");
  d.Mix("task=2");
  EXPECT_NE(c.Digest(), d.Digest());
}

TEST(SimulatedEventLoopTest, FifoDoesNotStarveADueTimerBehindPosts) {
  SimulatedEventLoop loop(1);
  bool ran = false;
  std::function<void()> again = [&] {
    if (!ran) loop.Post([&] { again(); });
  };
  again();
  loop.Schedule(0s, [&] { ran = true; });
  loop.RunUntilIdle(100);
  EXPECT_TRUE(ran);
}

class ScopedEventLoopTest : public testing::Test {
 protected:
  SimulatedEventLoop inner_{1};
  std::unique_ptr<ScopedEventLoop> node_ = std::make_unique<ScopedEventLoop>(inner_);
};

TEST_F(ScopedEventLoopTest, AKilledNodeRunsNothingMoreAndOthersGoOn) {
  ScopedEventLoop other(inner_);
  int other_ran = 0;
  node_->Post([] { FAIL(); });
  node_->Schedule(1s, [] { FAIL(); });
  other.Post([&] { ++other_ran; });
  other.Schedule(1s, [&] { ++other_ran; });
  node_->Kill();
  node_->Kill();
  EXPECT_FALSE(node_->IsAlive());
  node_->Post([] { FAIL(); });
  const auto timer = node_->Schedule(1s, [] { FAIL(); });
  EXPECT_FALSE(node_->Cancel(timer));
  inner_.RunFor(10s);
  EXPECT_EQ(other_ran, 2);
}

TEST_F(ScopedEventLoopTest, DroppedCallbacksDieLaterNotInsideKill) {
  auto token = std::make_shared<int>(0);
  node_->Post([token] {});
  node_->Schedule(1h, [token] {});
  node_->Kill();
  node_->Post([token] {});
  EXPECT_EQ(token.use_count(), 4);
  inner_.RunReady();
  EXPECT_EQ(token.use_count(), 1);
}

TEST_F(ScopedEventLoopTest, ANodeMayKillItselfInACallback) {
  bool reached_end = false;
  node_->Post([&] {
    node_->Kill();
    node_->Post([] { FAIL(); });
    reached_end = true;
  });
  node_->Post([] { FAIL(); });
  inner_.RunUntilIdle(100);
  EXPECT_TRUE(reached_end);
}

TEST_F(ScopedEventLoopTest, DroppedCallbacksNeverOutliveTheScopedLoop) {
  auto token = std::make_shared<int>(0);
  node_->Post([token] {});
  node_->Kill();
  node_.reset();
  EXPECT_EQ(token.use_count(), 1);
  inner_.RunUntilIdle(100);
}

TEST_F(ScopedEventLoopTest, APausedNodeRunsLaterInTheOldOrder) {
  std::vector<int> seen;
  const auto cancelled = node_->Schedule(1s, [] { FAIL(); });
  node_->Post([&] { seen.push_back(1); });
  node_->Schedule(1s, [&] { seen.push_back(2); });
  node_->Pause();
  inner_.RunFor(5s);
  node_->Post([&] { seen.push_back(3); });
  EXPECT_TRUE(seen.empty());
  node_->Resume();
  EXPECT_TRUE(node_->Cancel(cancelled));
  node_->Post([&] { seen.push_back(4); });
  inner_.RunFor(1s);
  EXPECT_EQ(seen, (std::vector{1, 2, 3, 4}));
}

TEST_F(ScopedEventLoopTest, ASkewedClockCountsItsOwnSeconds) {
  ScopedEventLoop fast(inner_, ClockSkew{.offset = 100s, .rate = 2.0});
  TimePoint at;
  fast.Schedule(10s, [&] { at = fast.Now(); });
  inner_.RunFor(6s);
  EXPECT_GE(at, TimePoint(110s));
  EXPECT_LT(at, TimePoint(110s + 1us));
}

}  // namespace
}  // namespace mobula
