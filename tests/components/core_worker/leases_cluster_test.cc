// Leases: how they are asked for, shared, given back; and what sits in a pipeline.

#include <gtest/gtest.h>

#include "components/protocol/raylet.pb.h"
#include "tests/components/core_worker/sim_cluster.h"

namespace mobula::core_worker::sim {
namespace {

using std::chrono::microseconds;

class LeasesTest : public ::testing::Test {
 protected:
  LeasesTest() {
    cluster.programs["brief"] = [](const TaskRunPtr& run) {
      run->After(microseconds(10), [run] { run->Return("brief"); });
    };
    cluster.programs["slow"] = [](const TaskRunPtr& run) {
      run->After(seconds(1), [run] { run->Return("slow"); });
    };
  }
  void WarmUp(Process& driver) {
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(driver.Get(driver.Submit("brief", {})));
  }
  Cluster cluster;
};

TEST_F(LeasesTest, ALeaseIsKeptBetweenTasksAndReturnedWhenIdle) {
  Node& node = cluster.AddNode(2);
  Process& driver = cluster.AddDriver(node);
  WarmUp(driver);
  EXPECT_EQ(node.requests_seen.size(), 1U);
  EXPECT_EQ(node.lease_count(), 1U);
  cluster.RunFor(seconds(3));
  EXPECT_EQ(node.lease_count(), 0U);
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, AReclaimedLeaseGoesToWhoWaits) {
  Node& node = cluster.AddNode(1);
  Process& first = cluster.AddDriver(node);
  std::vector<ReferencePtr> all;
  for (int i = 0; i < 300; ++i) all.push_back(first.Submit("slow", {}));
  cluster.RunFor(seconds(3));
  Process& second = cluster.AddDriver(node);
  const TimePoint start = cluster.loop.Now();
  EXPECT_EQ(second.Get(second.Submit("brief", {})).value_or("?"), "brief");
  EXPECT_LE(cluster.loop.Now() - start, seconds(2)) << "the task that runs, and one granted since";
  const int runs = cluster.runs["slow"];
  cluster.RunFor(seconds(10));
  EXPECT_GE(cluster.runs["slow"], runs + 9) << "the first goes on";
  all.clear();
}

TEST_F(LeasesTest, RequestsAreBoundedAndCancelledWhenNotNeeded) {
  cluster.config.lease_requests_max = 4;
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  std::vector<ReferencePtr> all;
  for (int i = 0; i < 100; ++i) all.push_back(driver.Submit("brief", {}));
  cluster.RunFor(microseconds(1));
  EXPECT_LE(driver.core.Count().lease_requests, 4U);
  for (const ReferencePtr& one : all) EXPECT_TRUE(driver.Get(one));
  cluster.RunFor(milliseconds(1));
  EXPECT_EQ(node.queued_count(), 0U);
  all.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, NoMoreWorkersAreAskedForThanTheOwnerCanFeed) {
  cluster.programs["tiny"] = [](const TaskRunPtr& run) {
    run->After(std::chrono::nanoseconds(100), [run] { run->Return("tiny"); });
  };
  Node& node = cluster.AddNode(2);
  Process& driver = cluster.AddDriver(node);
  const auto run_all = [&] {
    std::vector<ReferencePtr> all;
    for (int i = 0; i < 100; ++i) all.push_back(driver.Submit("tiny", {}));
    for (const ReferencePtr& one : all) EXPECT_TRUE(driver.Get(one));
  };
  run_all();
  cluster.RunFor(seconds(3));
  EXPECT_EQ(node.lease_count(), 0U);
  const std::size_t before = node.requests_seen.size();
  run_all();
  EXPECT_EQ(node.requests_seen.size(), before + 1);
  EXPECT_EQ(node.lease_count(), 1U);
  cluster.RunFor(seconds(3));
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, BriefTasksArePipelinedAndLongOnesAreNot) {
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  WarmUp(driver);
  std::vector<ReferencePtr> all;
  for (int i = 0; i < 300; ++i) all.push_back(driver.Submit("brief", {}));
  cluster.RunFor(microseconds(5));
  Process* worker = node.FindWorker([](const Process&) { return true; });
  EXPECT_GT(worker->core.Count().served, 50U);
  EXPECT_LE(worker->core.Count().served, 102U);  // one runs, a millisecond's worth waits
  for (const ReferencePtr& one : all) EXPECT_TRUE(driver.Get(one));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(driver.Get(driver.Submit("slow", {})));
  all.clear();
  for (int i = 0; i < 10; ++i) all.push_back(driver.Submit("slow", {}));
  cluster.RunFor(milliseconds(1));
  EXPECT_EQ(worker->core.Count().served, 1U);
  all.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, WhatSitsBehindAnUnexpectedlyLongTaskGoesElsewhere) {
  Node& node = cluster.AddNode(2);
  Process& driver = cluster.AddDriver(node);
  WarmUp(driver);
  // One more lease is granted only when the queue shows that it is needed.
  ReferencePtr slow = driver.Submit("slow", {});
  std::vector<ReferencePtr> behind;
  for (int i = 0; i < 50; ++i) behind.push_back(driver.Submit("brief", {}));
  const TimePoint start = cluster.loop.Now();
  for (const ReferencePtr& one : behind) EXPECT_EQ(driver.Get(one).value_or("?"), "brief");
  EXPECT_LT(cluster.loop.Now() - start, milliseconds(100));
  EXPECT_EQ(driver.Get(slow).value_or("?"), "slow");
  slow.reset();
  behind.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, TasksBehindABlockedOneGoBackWithoutCostingARetry) {
  cluster.programs["waits"] = [](const TaskRunPtr& run) {
    run->Get(run->Submit("slow", {}),
             [run](const Result<std::string>& value) { run->Return(*value); });
  };
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  WarmUp(driver);
  ReferencePtr waits = driver.Submit("waits", {});
  std::vector<ReferencePtr> behind;
  for (int i = 0; i < 20; ++i) behind.push_back(driver.Submit("brief", {}, {.max_retries = 0}));
  for (const ReferencePtr& one : behind) EXPECT_EQ(driver.Get(one).value_or("?"), "brief");
  EXPECT_EQ(driver.Get(waits).value_or("?"), "slow");
  waits.reset();
  behind.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, AnInfeasibleRequestFailsItsTasksWithTheReason) {
  Process& driver = cluster.AddDriver(cluster.AddNode(2));
  const Result<std::string> result = driver.Get(driver.Submit("brief", {}, {.cpus = 8}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kInfeasible);
  EXPECT_EQ(result.error().message(), "task brief: no node has 8 CPU");
  EXPECT_TRUE(driver.Get(driver.Submit("brief", {})));
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, ASpilledRequestFollowsAndAnUnreachableTargetIsAskedAboutAtHome) {
  Node& home = cluster.AddNode(1);
  Node& other = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(home);
  int asked = 0;
  home.script = [&](const protocol::RequestLeaseRequest&) {
    protocol::RequestLeaseReply reply;
    const bool is_first = ++asked < 3;
    reply.mutable_spill()->set_raylet_endpoint(is_first ? "inproc://nowhere" : other.endpoint);
    reply.mutable_spill()->set_node_id(std::string(other.id.Binary()));
    return reply;
  };
  EXPECT_EQ(driver.Get(driver.Submit("brief", {})).value_or("?"), "brief");
  EXPECT_EQ(asked, 3);
  ASSERT_EQ(other.requests_seen.size(), 1U);
  EXPECT_EQ(other.requests_seen[0].hops(), 1U);
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, ASpillTargetThatStaysUnreachableFailsTheTasksInTheEnd) {
  Node& home = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(home);
  home.script = [&](const protocol::RequestLeaseRequest&) {
    protocol::RequestLeaseReply reply;
    reply.mutable_spill()->set_raylet_endpoint("inproc://nowhere");
    reply.mutable_spill()->set_node_id(std::string(home.id.Binary()));
    return reply;
  };
  const Result<std::string> result = driver.Get(driver.Submit("brief", {}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(result.error().message().find("no lease after 61 requests"), std::string::npos)
      << result.error().message();
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, AReconnectedRayletIsToldWhatIsStillHeld) {
  Node& home = cluster.AddNode(1);
  Node& other = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(home);
  home.script = [&](const protocol::RequestLeaseRequest&) {
    protocol::RequestLeaseReply reply;
    reply.mutable_spill()->set_raylet_endpoint(other.endpoint);
    reply.mutable_spill()->set_node_id(std::string(other.id.Binary()));
    return reply;
  };
  ReferencePtr slow = driver.Submit("slow", {});
  cluster.RunFor(milliseconds(10));
  ASSERT_EQ(other.keeps_seen.size(), 1U);
  EXPECT_EQ(other.keeps_seen[0].lease_ids_size(), 0);
  other.last_asker->Close();
  cluster.RunFor(milliseconds(500));
  ASSERT_EQ(other.keeps_seen.size(), 2U);
  EXPECT_EQ(other.keeps_seen[1].owner_id(), driver.worker_id());
  EXPECT_EQ(other.keeps_seen[1].lease_ids_size(), 1);
  EXPECT_EQ(driver.Get(slow).value_or("?"), "slow");
  slow.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(LeasesTest, AnotherProgramIsRefusedByName) {
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  WarmUp(driver);  // the worker knows its own program
  cluster.program = "test 2";
  Process& stranger = cluster.AddDriver(node);
  const Result<std::string> result = stranger.Get(stranger.Submit("brief", {}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kVersionMismatch);
  EXPECT_NE(result.error().message().find("test 1"), std::string::npos);
  EXPECT_NE(result.error().message().find("test 2"), std::string::npos);
}

TEST_F(LeasesTest, RequestsSayWhereTheArgumentsAre) {
  cluster.programs["fill"] = [](const TaskRunPtr& run) { run->Return(std::string(700, 'x')); };
  cluster.programs["size"] = [](const TaskRunPtr& run) {
    run->Return(std::to_string(run->Argument(0).size()));
  };
  Node& node = cluster.AddNode(4);
  Process& driver = cluster.AddDriver(node);
  ReferencePtr large = driver.Submit("fill", {});
  EXPECT_TRUE(driver.Get(large));
  EXPECT_TRUE(driver.Get(driver.Submit("size", {large}, {.cpus = 2})));
  ASSERT_EQ(node.requests_seen.size(), 2U);
  EXPECT_EQ(node.requests_seen[1].local_bytes().at(node.id.Hex()), 700U);
  large.reset();
  cluster.ExpectNothingLeft();
}

}  // namespace
}  // namespace mobula::core_worker::sim
