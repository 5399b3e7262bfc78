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

}  // namespace
}  // namespace mobula::node::testing
