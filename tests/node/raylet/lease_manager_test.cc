// What a node promises to those that hold its leases.

#include <gtest/gtest.h>

#include "tests/node/raylet/raylet_world.h"

namespace mobula::node::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const ResourceSet kCpuAndTape = {{"CPU", 1}, {"tape", 1}};

class LeaseManagerTest : public ::testing::Test {
 protected:
  World world{{{"CPU", 1}, {"tape", 1}}};
  JobId job;
  std::unique_ptr<Process> driver = world.AddDriver(job);
};

TEST_F(LeaseManagerTest, AJobOfAnotherNodeIsMadeKnownByItsFirstRequest) {
  const auto stranger = world.AddStranger(world.random.NewId<NodeId>());
  const std::string other_job(JobId::kSize, 'x');
  const auto grant = world.Granted(stranger->Ask(JobId::FromBinaryOrNil(other_job), {}));
  EXPECT_TRUE(grant.has_grant());
}

}  // namespace
}  // namespace mobula::node::testing
