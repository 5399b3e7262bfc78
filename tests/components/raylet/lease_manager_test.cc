// What a node promises to those that hold its leases.

#include <gtest/gtest.h>

#include "components/protocol/raylet_methods.h"
#include "tests/components/raylet/raylet_world.h"

namespace mobula::raylet::testing {
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

TEST_F(LeaseManagerTest, ABlockedWorkerLendsItsCpuAndKeepsTheRest) {
  const auto first = world.Granted(driver->RequestLease(job, kCpuAndTape)).grant();
  const auto tape = driver->RequestLease(job, kCpuAndTape);
  const auto cpu = driver->RequestLease(job, {{"CPU", 1}});
  world.RunFor(milliseconds(10));
  EXPECT_FALSE(*cpu);
  world.WorkerOf(first).SetBlocked(true);
  EXPECT_TRUE(world.Granted(cpu).has_grant());
  world.RunFor(seconds(1));
  EXPECT_FALSE(*tape) << "the blocked worker uses the only tape";
  world.node->raylet()->CheckInvariants();
  world.WorkerOf(first).SetBlocked(false);
  world.RunFor(seconds(1));
  EXPECT_FALSE(*tape);
}

TEST_F(LeaseManagerTest, LeasesOfOwnersOnADeadNodeEndAtOnce) {
  const auto elsewhere = world.random.NewId<NodeId>();
  const auto node = world.AddNode(elsewhere);
  const auto owner = world.AddStranger(elsewhere);
  EXPECT_TRUE(world.Granted(owner->RequestLease(job, kCpuAndTape)).has_grant());
  const auto next = driver->RequestLease(job, kCpuAndTape);
  world.RunFor(milliseconds(10));
  EXPECT_FALSE(*next);
  node->LeaveNode("test", [](const auto&) {});
  world.RunFor(milliseconds(100));
  ASSERT_TRUE(*next) << "nobody waits for what its worker runs";
  EXPECT_TRUE((*next)->value().has_grant());
  EXPECT_EQ(world.node->raylet()->Count().leases, 1U);
}

TEST_F(LeaseManagerTest, ANodeIsSentWorkAgainWhenItReportsNothingOfTheLast) {
  const auto elsewhere = world.random.NewId<NodeId>();
  const auto node = world.AddNode(elsewhere, {{"disc", 1}});
  for (int i = 0; i < 3; ++i) {  // each is over before that node had anything to report
    EXPECT_TRUE(world.Granted(driver->RequestLease(job, {{"disc", 1}})).has_spill());
  }
}

/// Requests that no node can serve, and a short time for one to join.
class InfeasibleTest : public ::testing::Test {
 protected:
  InfeasibleTest() {
    world.config.infeasible_grace = milliseconds(400);
    world.Restart();
    driver = world.AddDriver(job);
  }
  static bool IsRefused(const std::shared_ptr<Process::Answer>& answer) {
    return *answer && (*answer)->has_value() && (*answer)->value().has_infeasible();
  }

  const ResourceSet kDisc = {{"disc", 1}};
  World world{ResourceSet({{"CPU", 1}})};
  const NodeId elsewhere = world.random.NewId<NodeId>();
  JobId job;
  std::unique_ptr<Process> driver;
};

TEST_F(InfeasibleTest, WhatNoNodeIsBigEnoughForIsRefusedAfterTheGrace) {
  const auto disc = driver->RequestLease(job, kDisc);
  world.RunFor(milliseconds(300));
  EXPECT_FALSE(*disc);
  world.RunFor(milliseconds(200));
  EXPECT_TRUE(IsRefused(disc));
}

TEST_F(InfeasibleTest, ABigNodeThatJoinsDuringTheGraceAndIsBusyIsWaitedFor) {
  const auto first = driver->RequestLease(job, kDisc);
  const auto second = driver->RequestLease(job, kDisc);
  world.RunFor(milliseconds(100));
  const auto node = world.AddBusyNode(elsewhere, kDisc, {});
  world.RunFor(milliseconds(600));
  EXPECT_FALSE(*first) << "the grace is over, and the node could serve it";
  EXPECT_FALSE(*second);
  world.Report(*node, kDisc, kDisc);
  EXPECT_TRUE(world.Granted(first).has_spill());
  EXPECT_TRUE(world.Granted(second).has_spill()) << "the node reported nothing of the first";
}

TEST_F(InfeasibleTest, ABigNodeThatJoinsAndLeavesGivesAFreshGraceToAllRequestsOfAShape) {
  const auto first = driver->RequestLease(job, kDisc);
  const auto second = driver->RequestLease(job, kDisc);
  world.RunFor(milliseconds(200));
  const auto node = world.AddBusyNode(elsewhere, kDisc, {});
  node->LeaveNode("test", [](const auto&) {});
  world.RunFor(milliseconds(200));
  EXPECT_FALSE(*first) << "the first grace is over, the second is not";
  EXPECT_FALSE(*second);
  world.RunFor(milliseconds(400));
  EXPECT_TRUE(IsRefused(first));
  EXPECT_TRUE(IsRefused(second));
}

TEST_F(InfeasibleTest, ARequestForANodeThatJoinsLaterWaitsForItsTurnThere) {
  protocol::SchedulingStrategy there;
  there.mutable_on_node()->set_node_id(std::string(elsewhere.Binary()));
  const auto answer = driver->RequestLease(job, kDisc, there);
  world.RunFor(milliseconds(100));
  const auto node = world.AddBusyNode(elsewhere, kDisc, {});
  world.RunFor(milliseconds(600));
  EXPECT_FALSE(*answer);
  world.Report(*node, kDisc, kDisc);
  const auto reply = world.Granted(answer);
  ASSERT_TRUE(reply.has_spill());
  EXPECT_EQ(reply.spill().node_id(), elsewhere.Binary());
}

TEST_F(LeaseManagerTest, AnEndedJobIsNotBroughtBackByALateRequest) {
  const auto elsewhere = world.random.NewId<NodeId>();
  const auto worker_elsewhere = world.AddStranger(elsewhere);
  EXPECT_TRUE(world.Granted(driver->RequestLease(job, {})).has_grant());
  driver.reset();
  world.RunFor(seconds(1));
  EXPECT_EQ(world.node->raylet()->Count().workers, 0U);
  const auto late = worker_elsewhere->RequestLease(job, {{"CPU", 1}});
  world.RunFor(seconds(30));
  ASSERT_TRUE(*late);
  ASSERT_FALSE((*late)->has_value());
  EXPECT_EQ((*late)->error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(world.node->raylet()->Count().workers, 0U);
  EXPECT_TRUE(world.launcher.alive.empty());
  EXPECT_EQ(world.node->scheduler().Local().available, world.node->scheduler().Local().total);
}

TEST_F(LeaseManagerTest, AJobOfAnotherNodeIsMadeKnownByItsFirstRequest) {
  const auto stranger = world.AddStranger(world.random.NewId<NodeId>());
  const std::string other_job(JobId::kSize, 'x');
  const auto grant = world.Granted(stranger->RequestLease(JobId::FromBinaryOrNil(other_job), {}));
  EXPECT_TRUE(grant.has_grant());
}

TEST_F(LeaseManagerTest, AnOwnerThatComesBackKeepsTheLeasesItKnowsAndOnlyThose) {
  const auto owner = world.AddStranger(world.random.NewId<NodeId>());
  const auto kept = world.Granted(owner->RequestLease(job, {{"CPU", 0.5}})).grant();
  const auto unknown = world.Granted(owner->RequestLease(job, {{"CPU", 0.5}})).grant();
  const auto waits = driver->RequestLease(job, {{"CPU", 0.5}});
  world.RunFor(milliseconds(10));
  EXPECT_FALSE(*waits);
  owner->Reconnect();
  protocol::KeepLeasesRequest keep;
  keep.set_owner_id(owner->address.worker_id());
  keep.add_lease_ids(kept.lease_id());
  world.RunFor(seconds(1));
  owner->client->Notify(protocol::kKeepLeases, keep);
  EXPECT_EQ(world.Granted(waits).grant().worker().worker_id(), unknown.worker().worker_id());
  world.RunFor(seconds(10));
  EXPECT_EQ(world.node->raylet()->Count().leases, 2U);
  (void)world.WorkerOf(kept);  // it lives
  const auto next = driver->RequestLease(job, {{"CPU", 0.5}});
  world.RunFor(milliseconds(100));
  ASSERT_FALSE(owner->reclaims.empty()) << "its new connection is known";
  EXPECT_EQ(owner->reclaims.back().lease_ids(0), kept.lease_id());
}

TEST_F(LeaseManagerTest, AMalformedStrategyIsAnErrorAnswerAndNotTheDefault) {
  protocol::SchedulingStrategy strategy;
  for (const bool is_of_a_kind : {false, true}) {
    if (is_of_a_kind) strategy.mutable_on_node()->set_node_id("short");
    const auto answer = driver->RequestLease(job, {{"CPU", 1}}, strategy);
    world.RunFor(milliseconds(100));
    ASSERT_TRUE(*answer);
    ASSERT_FALSE((*answer)->has_value());
    EXPECT_EQ((*answer)->error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(world.node->raylet()->Count().leases, 0U);
}

TEST_F(LeaseManagerTest, AnOwnerThatStaysAwayLosesItsLeases) {
  const auto owner = world.AddStranger(world.random.NewId<NodeId>());
  (void)world.Granted(owner->RequestLease(job, {{"CPU", 1}}));
  owner->client->Stop();
  world.RunFor(seconds(6));
  EXPECT_EQ(world.node->raylet()->Count().leases, 0U);
}

}  // namespace
}  // namespace mobula::raylet::testing
