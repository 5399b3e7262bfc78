// Who gets a lease of the real raylets, and how long others wait: drivers and workers on virtual
// time, without faults.

#include <gtest/gtest.h>

#include "sim/program.h"
#include "sim/sim_node.h"

namespace mobula::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Nodes of one CPU each.
class RayletLeasesTest : public testing::Test {
 protected:
  struct Driver {
    Driver(World& world, std::string name, core_worker::AssemblyOptions options)
        : process(world, std::move(name), std::move(options)),
          program(world, process.loop(), process.core(), nullptr) {}
    SimulatedProcess process;
    Program program;
    std::size_t done = 0;
  };

  ~RayletLeasesTest() override {
    for (const auto& driver : drivers_) driver->process.Kill();
    for (const auto& node : nodes_) node->Kill();
  }
  void AddNode() {
    auto node = SimulatedNode::Make(world_, fmt::format("n{}", nodes_.size()), nodes_.empty(),
                                    ResourceSet{{"CPU", 1}});
    ASSERT_TRUE(node.has_value()) << node.error().ToString();
    nodes_.push_back(std::move(*node));
    bool has_joined = false;
    nodes_.back()->Start([&](Result<void> joined) { has_joined = joined.has_value(); });
    ASSERT_TRUE(world_.loop.RunUntil([&] { return has_joined; }, seconds(1)))
        << "a node has not joined";
  }
  /// On the head.
  Driver& AddDriver() {
    core_worker::AssemblyOptions options;
    options.program.set_hash("the simulated program");
    options.is_driver = true;
    options.raylet_endpoint = nodes_.front()->local_endpoint();
    drivers_.push_back(std::make_unique<Driver>(world_, fmt::format("n0.d{}", drivers_.size()),
                                                std::move(options)));
    Driver& driver = *drivers_.back();
    driver.process.Start([](const Result<void>&) {});
    EXPECT_TRUE(world_.loop.RunUntil([&] { return driver.process.has_joined(); }, seconds(1)))
        << "a driver has not joined";
    return driver;
  }
  /// Counts in `done` when its value is there.
  void Submit(Driver& driver, Duration time) {
    Plan plan;
    plan.set_id(world_.oracle.NewId());
    plan.set_time_us(std::chrono::duration_cast<microseconds>(time).count());
    world_.oracle.AddTask(plan, {}, {}, "task");
    driver.process.core().Get(driver.program.Submit(plan, {}, {}), [&](Result<Payload> value) {
      EXPECT_TRUE(value.has_value()) << value.error().ToString();
      ++driver.done;
    });
  }
  /// \return how long it took until `driver` had `done` values, or `time_max`.
  Duration TimeUntil(const Driver& driver, std::size_t done, Duration time_max) {
    const TimePoint begin = world_.loop.Now();
    EXPECT_TRUE(world_.loop.RunUntil([&] { return driver.done >= done; }, time_max))
        << driver.done << " of " << done << " values are there";
    return world_.loop.Now() - begin;
  }

  SimConfig config_;
  World world_{
      config_, {.seed = 1, .nodes = 2, .latency_us = 100, .inline_bytes_max = 1000}, Plant::kNone};
  std::vector<std::unique_ptr<SimulatedNode>> nodes_;
  std::vector<std::unique_ptr<Driver>> drivers_;
};

TEST_F(RayletLeasesTest, AReclaimedLeaseGoesToTheDriverWithOneTaskNotBackToTheOneWithHundreds) {
  AddNode();
  Driver& first = AddDriver();
  for (int i = 0; i < 300; ++i) Submit(first, seconds(1));
  world_.loop.RunFor(seconds(3));
  Driver& second = AddDriver();
  Submit(second, milliseconds(10));
  // What runs ends first. One more may begin before the raylet has asked for the lease.
  EXPECT_LT(TimeUntil(second, 1, seconds(100)), milliseconds(2100));
  const std::size_t done = first.done;
  EXPECT_LE(TimeUntil(first, done + 10, seconds(100)), milliseconds(10'100)) << "it goes on alone";
}

TEST_F(RayletLeasesTest, ADriverThatSubmitsOneByOneGetsEverySecondLease) {
  AddNode();
  Driver& first = AddDriver();
  for (int i = 0; i < 300; ++i) Submit(first, seconds(1));
  Driver& second = AddDriver();
  const TimePoint begin = world_.loop.Now();
  for (std::size_t i = 0; i < 20; ++i) {
    Submit(second, seconds(1));
    TimeUntil(second, i + 1, seconds(100));
  }
  EXPECT_LT(world_.loop.Now() - begin, seconds(43)) << "20 of its own, 20 of the first, and waste";
  EXPECT_GE(first.done, 19U);
}

TEST_F(RayletLeasesTest, ANodeWhereALeaseCameToNothingIsAskedAgain) {
  AddNode();
  AddNode();
  Driver& driver = AddDriver();
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    // Both nodes are asked. If the tasks are brief, one worker has done both before the other is
    // granted, and that one is returned before its node has reported that it was busy.
    for (const Duration time : {Duration(milliseconds(200)), Duration(microseconds(1))}) {
      const std::size_t before = driver.done;
      Submit(driver, time);
      Submit(driver, time);
      EXPECT_LT(TimeUntil(driver, before + 2, seconds(100)), milliseconds(350));
      world_.loop.RunFor(seconds(3));  // until leases are idle for long enough to be returned
    }
  }
}

}  // namespace
}  // namespace mobula::sim
