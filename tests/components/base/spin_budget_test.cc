#include "components/base/real/spin_budget.h"

#include <gtest/gtest.h>

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
  Duration Next(bool has_woken = false) { return budget_.Next(now_, has_woken); }

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
  for (std::uint64_t i = 0; i < 10 * SpinBudget::kWaitsPerTrial; ++i) EXPECT_EQ(Next(), 0s);
}

TEST_F(SpinBudgetTest, IsTriedNowAndThenInABurstOfWaitsThatWokeTheOtherSide) {
  Wait(100, 50us);
  std::uint64_t trials = 0;
  for (std::uint64_t i = 0; i < 10 * SpinBudget::kWaitsPerTrial; ++i) {
    if (Next(true) > 0s) ++trials;
  }
  EXPECT_TRUE(trials == 10 || trials == 0) << trials;
}

TEST_F(SpinBudgetTest, IsNotTriedWhenWaitsAreShortButFarApart) {
  for (std::uint64_t i = 0; i < 10 * SpinBudget::kWaitsPerTrial; ++i) {
    now_ += SpinBudget::kBurstGap;
    Wait(1, 1us);
    EXPECT_EQ(Next(true), 0s);
  }
}

TEST_F(SpinBudgetTest, IsNothingIfTheOtherSideHadToBeWoken) {
  Wait(100, 1us);
  now_ += SpinBudget::kBurstGap;
  EXPECT_EQ(Next(true), 0s);
}

TEST_F(SpinBudgetTest, ALongWaitIsSoonForgotten) {
  Wait(1, 1h);
  Wait(20, 1us);
  EXPECT_LE(Next(), SpinBudget::kSpinMin);
}

}  // namespace
}  // namespace mobula
