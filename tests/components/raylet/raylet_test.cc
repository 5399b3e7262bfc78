// What a raylet tells the node that it is part of.

#include <gtest/gtest.h>

#include "tests/components/raylet/raylet_world.h"

namespace mobula::raylet::testing {
namespace {

TEST(RayletTest, WhoAsksLateIsToldThatTheNodeMustEnd) {
  World world({{"CPU", 1}});
  world.gcs_server->Stop();
  world.RunFor(std::chrono::minutes(2));
  std::vector<std::string> told;
  world.raylet->OnMustExit([&](const Error& why) { told.push_back(why.message()); });
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0], "the head is lost: nothing listens at inproc://gcs");
}

}  // namespace
}  // namespace mobula::raylet::testing
