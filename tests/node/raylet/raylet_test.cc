// What a raylet tells the node that it is part of.

#include <gtest/gtest.h>

#include "tests/node/raylet/raylet_world.h"

namespace mobula::node::testing {
namespace {

TEST(RayletTest, WhoAsksLateIsToldThatTheNodeMustEnd) {
  World world({{"CPU", 1}});
  world.gcs_server->Stop();
  world.RunFor(std::chrono::minutes(2));
  int told = 0;
  world.raylet->OnMustExit([&](const Error&) { ++told; });
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace mobula::node::testing
