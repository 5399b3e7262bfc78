// How workers start, and what is done about those that do not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/node/raylet/raylet_world.h"

namespace mobula::node::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;

class WorkerPoolTest : public ::testing::Test {
 protected:
  /// A driver whose workers start as `starts` says. \return where its first lease will be.
  std::shared_ptr<Process::Answer> AskFirst(Launcher::Starts starts) {
    world.launcher.starts = starts;
    driver = world.AddDriver(job);
    return driver->Ask(job, {{"CPU", 1}});
  }
  World world{{{"CPU", 2}}};
  JobId job;
  std::unique_ptr<Process> driver;
};

TEST_F(WorkerPoolTest, WorkersAreStartedAheadAndHandedOut) {
  EXPECT_TRUE(world.Granted(AskFirst(Launcher::Starts::kRegister)).has_grant());
  EXPECT_EQ(world.launcher.start_count, 2U) << "one per core";
  EXPECT_EQ(world.raylet->Count().idle_workers, 1U);
}

TEST_F(WorkerPoolTest, WorkersThatNeverRegisterFailTheLeaseForGood) {
  const auto answer = AskFirst(Launcher::Starts::kHang);
  world.RunFor(seconds(10));
  ASSERT_TRUE(*answer);
  ASSERT_FALSE((*answer)->has_value());
  EXPECT_EQ((*answer)->error().code(), ErrorCode::kWorkerDied) << "an answer, not a silence";
  EXPECT_THAT((*answer)->error().message(), HasSubstr("did not register within"));
  world.RunFor(seconds(10));
  EXPECT_EQ(world.raylet->Count().workers, 0U);
  EXPECT_TRUE(world.launcher.alive.empty()) << "what came to nothing is killed";
  EXPECT_LE(world.launcher.start_count, 4U);
}

TEST_F(WorkerPoolTest, AZygoteThatNeverAnswersFailsTheLeaseForGood) {
  const auto answer = AskFirst(Launcher::Starts::kSilent);
  world.RunFor(seconds(10));
  ASSERT_TRUE(*answer);
  ASSERT_FALSE((*answer)->has_value());
  EXPECT_EQ((*answer)->error().code(), ErrorCode::kWorkerDied);
  EXPECT_EQ(world.raylet->Count().workers, 0U);
}

TEST_F(WorkerPoolTest, AWorkerThatComesTooLateIsKilledAndTheNextOneServes) {
  (void)AskFirst(Launcher::Starts::kSilent);
  world.RunFor(seconds(10));
  world.launcher.Wake();
  world.RunFor(seconds(1));
  EXPECT_TRUE(world.launcher.alive.empty()) << "nobody waits for them any more";
  EXPECT_TRUE(world.Granted(driver->Ask(job, {{"CPU", 1}})).has_grant());
}

}  // namespace
}  // namespace mobula::node::testing
