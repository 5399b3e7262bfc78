// How workers start, and what is done about those that do not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "components/protocol/raylet_methods.h"
#include "tests/components/raylet/raylet_world.h"

namespace mobula::raylet::testing {
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
    return driver->RequestLease(job, {{"CPU", 1}});
  }
  World world{{{"CPU", 2}}};
  JobId job;
  std::unique_ptr<Process> driver;
};

TEST_F(WorkerPoolTest, WorkersAreStartedAheadAndHandedOut) {
  EXPECT_TRUE(world.Granted(AskFirst(Launcher::Starts::kRegister)).has_grant());
  EXPECT_EQ(world.launcher.start_count, 2U) << "one per core";
  EXPECT_EQ(world.node->raylet()->Count().idle_workers, 1U);
}

TEST_F(WorkerPoolTest, WorkersThatNeverRegisterFailTheLeaseForGood) {
  const auto answer = AskFirst(Launcher::Starts::kHang);
  world.RunFor(seconds(10));
  ASSERT_TRUE(*answer);
  ASSERT_FALSE((*answer)->has_value());
  EXPECT_EQ((*answer)->error().code(), ErrorCode::kWorkerDied) << "an answer, not a silence";
  EXPECT_THAT((*answer)->error().message(), HasSubstr("did not register within"));
  world.RunFor(seconds(10));
  EXPECT_EQ(world.node->raylet()->Count().workers, 0U);
  EXPECT_TRUE(world.launcher.alive.empty()) << "what came to nothing is killed";
  EXPECT_LE(world.launcher.start_count, 4U);
}

TEST_F(WorkerPoolTest, AZygoteThatNeverAnswersFailsTheLeaseForGood) {
  const auto answer = AskFirst(Launcher::Starts::kSilent);
  world.RunFor(seconds(10));
  ASSERT_TRUE(*answer);
  ASSERT_FALSE((*answer)->has_value());
  EXPECT_EQ((*answer)->error().code(), ErrorCode::kWorkerDied);
  EXPECT_EQ(world.node->raylet()->Count().workers, 0U);
}

TEST_F(WorkerPoolTest, AWorkerThatComesTooLateIsKilledAndTheNextOneServes) {
  (void)AskFirst(Launcher::Starts::kSilent);
  world.RunFor(seconds(10));
  world.launcher.Wake();
  world.RunFor(seconds(1));
  EXPECT_TRUE(world.launcher.alive.empty()) << "nobody waits for them any more";
  EXPECT_TRUE(world.Granted(driver->RequestLease(job, {{"CPU", 1}})).has_grant());
}

TEST_F(WorkerPoolTest, AWorkerThatRegistersBeforeItsZygoteDiesIsForgottenOnce) {
  (void)AskFirst(Launcher::Starts::kSilent);
  Process worker(world, world.config.node_id);
  ASSERT_TRUE(worker.Register(false, job, world.launcher.last_started).has_value());
  EXPECT_EQ(world.node->raylet()->Count().leases, 1U);
  world.launcher.Die();
  EXPECT_EQ(world.node->raylet()->Count().leases, 0U);
  worker.client.reset();
  world.RunFor(seconds(1));
  world.launcher.starts = Launcher::Starts::kRegister;
  EXPECT_TRUE(world.Granted(driver->RequestLease(job, {{"CPU", 1}})).has_grant());
}

TEST_F(WorkerPoolTest, ADriverThatRegistersAgainLivesAsLongAsItsLastConnection) {
  driver = world.AddDriver(job);
  Process again(world, world.config.node_id);
  again.address = driver->address;
  ASSERT_TRUE(again.Register(true, JobId(), WorkerId()).has_value());
  driver->client.reset();
  world.RunFor(seconds(1));
  EXPECT_EQ(world.node->raylet()->Count().drivers, 1U);
  again.client.reset();
  world.RunFor(seconds(1));
  EXPECT_EQ(world.node->raylet()->Count().drivers, 0U);
}

TEST_F(WorkerPoolTest, ALongLogIsToldByItsEnd) {
  world.config.log_folder = "/logs";
  EXPECT_TRUE(world.files.MakeFolder("/logs").has_value());
  world.Restart();
  const auto grant = world.Granted(AskFirst(Launcher::Starts::kRegister)).grant();
  const std::string path = world.launcher.alive.at(grant.worker().pid()).log_path;
  const std::string log = std::string(70U << 20, 'x') + "the end";
  EXPECT_TRUE(world.files.WriteAtomically(path, log, FileMode::kPrivate).has_value());
  world.launcher.Kill(grant.worker().pid());
  protocol::EndLostWorkerRequest request;
  request.set_lease_id(grant.lease_id());
  request.set_worker_id(grant.worker().worker_id());
  std::optional<protocol::EndLostWorkerReply> reply;
  driver->client->Call(protocol::kEndLostWorker, request,
                       [&](Result<protocol::EndLostWorkerReply> told) { reply = *told; });
  EXPECT_TRUE(world.loop.RunUntil([&] { return reply.has_value(); }, seconds(5)))
      << "the owner is never told how its worker ended";
  EXPECT_THAT(reply->log_tail(), ::testing::EndsWith("xthe end"));
  EXPECT_EQ(reply->log_tail().size(), 2000U);
}

}  // namespace
}  // namespace mobula::raylet::testing
