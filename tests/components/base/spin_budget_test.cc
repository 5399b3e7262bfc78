#include "components/base/real/spin_budget.h"

#include <gtest/gtest.h>

namespace mobula {
namespace {

using namespace std::chrono_literals;

/// How busy this machine is, is not ours to say: such a thread may be told not to spin at all.
class SpinBudgetTest : public testing::Test {
 protected:
  bool Allows(Duration spin) {
    const Duration got = budget_.Next(TimePoint(now_ += SpinBudget::kLookAgainAfter));
    return got == spin || got == Duration(0);
  }
  SpinBudget budget_;
  Duration now_{};
};

TEST_F(SpinBudgetTest, IsAFewTimesTheUsualWaitWithinItsBounds) {
  EXPECT_TRUE(Allows(SpinBudget::kSpinMin));
  for (int i = 0; i < 100; ++i) budget_.Add(10us);
  const Duration learned = budget_.Next(TimePoint(now_ += 1h));
  EXPECT_LE(learned, SpinBudget::kSpinsPerUsualWait * 10us);
  for (int i = 0; i < 100; ++i) budget_.Add(150us);
  EXPECT_TRUE(Allows(SpinBudget::kSpinMax));
}

TEST_F(SpinBudgetTest, IsNothingAfterLongWaitsButForATrialNowAndThen) {
  for (int i = 0; i < 100; ++i) budget_.Add(1s);
  std::uint64_t trials = 0;
  for (std::uint64_t i = 0; i < 10 * SpinBudget::kWaitsPerTrial; ++i) {
    const Duration spin = budget_.Next(TimePoint());  // the first look is the only one
    if (spin > 0s) ++trials;
  }
  EXPECT_TRUE(trials == 10 || trials == 0) << trials;
}

TEST_F(SpinBudgetTest, ALongWaitIsSoonForgotten) {
  for (int i = 0; i < 100; ++i) budget_.Add(1us);
  budget_.Add(1h);
  for (int i = 0; i < 20; ++i) budget_.Add(1us);
  EXPECT_TRUE(Allows(SpinBudget::kSpinMin));
}

}  // namespace
}  // namespace mobula
