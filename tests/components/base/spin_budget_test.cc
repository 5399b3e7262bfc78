#include "components/base/real/spin_budget.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <optional>

namespace mobula {
namespace {

using namespace std::chrono_literals;

/// How busy this machine is, is not ours to say: a thread may be told not to spin at all.
class SpinBudgetTest : public testing::Test {
 protected:
  void Wait(int times, Duration each) {
    for (int i = 0; i < times; ++i) {
      const TimePoint begin = now_;
      now_ += each;
      budget_.Add(begin, now_);
    }
  }
  /// Where the peer is on this very core: asked anew each time, for the thread may be moved.
  Duration NextBesidePeer() { return Next(::sched_getcpu()); }
  Duration Next(std::optional<int> peer_core = std::nullopt) {
    if (peer_core) budget_.NotePeer(*peer_core);
    return budget_.Next(now_);
  }

  SpinBudget budget_;
  TimePoint now_{};
};

TEST_F(SpinBudgetTest, IsAFewTimesTheUsualWaitWithinItsBounds) {
  Wait(100, 1us);
  EXPECT_LE(Next(), SpinBudget::kSpinMin);
  Wait(100, 20us);
  EXPECT_LE(Next(), SpinBudget::kSpinsPerUsualWait * 20us);
  Wait(100, SpinBudget::kSpinMax);
  EXPECT_LE(Next(), SpinBudget::kSpinMax);
}

TEST_F(SpinBudgetTest, IsNothingAfterLongWaits) {
  Wait(100, 1s);
  for (std::uint64_t i = 0; i < 10 * SpinBudget::kWaitsPerMove; ++i) EXPECT_EQ(Next(), 0s);
}

TEST_F(SpinBudgetTest, IsNothingOnTheCoreOfThePeerIfWaitsAreFarApart) {
  for (std::uint64_t i = 0; i < 10 * SpinBudget::kWaitsPerMove; ++i) {
    now_ += SpinBudget::kBurstGap;
    Wait(1, 1us);
    EXPECT_EQ(NextBesidePeer(), 0s);
  }
}

TEST_F(SpinBudgetTest, AThreadThatMayRunOnOneCoreOnlyNeverSpinsBesideItsPeer) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(::sched_getcpu(), &here);
  ASSERT_EQ(::sched_setaffinity(0, sizeof here, &here), 0);
  Wait(100, 10us);
  for (std::uint64_t i = 0; i < 10 * SpinBudget::kWaitsPerMove; ++i) {
    EXPECT_EQ(NextBesidePeer(), 0s);
  }
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
}

TEST_F(SpinBudgetTest, InABurstTheThreadLeavesTheCoreOfThePeerAndSpins) {
  cpu_set_t allowed;
  ASSERT_EQ(::sched_getaffinity(0, sizeof allowed, &allowed), 0);
  Wait(100, 10us);
  std::uint64_t spins = 0;
  for (std::uint64_t i = 0; i < 10 * SpinBudget::kWaitsPerMove; ++i) {
    if (NextBesidePeer() > 0s) ++spins;
  }
  EXPECT_LE(spins, 10U + 10U) << "and where the kernel moved it in between";
  cpu_set_t after;
  ASSERT_EQ(::sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&allowed, &after)) << "it may run where it might before";
}

TEST_F(SpinBudgetTest, APeerOnAnotherCoreIsSpunFor) {
  Wait(100, 1us);
  constexpr int kNowhere = 1 << 20;
  EXPECT_EQ(Next(kNowhere), Next());
}

TEST_F(SpinBudgetTest, ALongWaitIsSoonForgotten) {
  Wait(1, 1h);
  Wait(20, 1us);
  EXPECT_LE(Next(), SpinBudget::kSpinMin);
}

}  // namespace
}  // namespace mobula
