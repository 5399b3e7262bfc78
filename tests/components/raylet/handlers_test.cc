// What processes ask of their raylet, beside leases and objects.

#include <gtest/gtest.h>

#include "components/protocol/gcs.pb.h"
#include "components/protocol/raylet_methods.h"
#include "tests/components/raylet/raylet_world.h"

namespace mobula::raylet::testing {
namespace {

using std::chrono::milliseconds;

std::vector<protocol::JobInfo> Jobs(World& world) {
  std::vector<protocol::JobInfo> jobs;
  world.gcs->ListJobs([&](Result<std::vector<protocol::JobInfo>> list) { jobs = list.value(); });
  world.RunFor(milliseconds(10));
  return jobs;
}

protocol::JobInfo OnlyJob(World& world) {
  const std::vector<protocol::JobInfo> jobs = Jobs(world);
  EXPECT_EQ(jobs.size(), 1U);
  return jobs.empty() ? protocol::JobInfo() : jobs.front();
}

/// Says how the job ends, and waits for the answer.
void Finish(World& world, Process& driver, const JobId& job, const std::string& failure) {
  protocol::EndJobRequest request;
  request.set_job_id(std::string(job.Binary()));
  request.set_failure(failure);
  bool is_told = false;
  driver.client->Call(protocol::kEndJob, request,
                      [&](const auto& reply) { is_told = reply.has_value(); });
  EXPECT_TRUE(world.loop.RunUntil([&] { return is_told; }, std::chrono::seconds(1)))
      << "the raylet does not answer EndJob";
}

TEST(RayletHandlersTest, AJobEndsAsItsDriverSays) {
  for (const std::string failure : {"", "exit code 3"}) {
    World world({{"CPU", 1}});
    JobId job;
    auto driver = world.AddDriver(job);
    EXPECT_EQ(OnlyJob(world).state(), "RUNNING");
    Finish(world, *driver, job, failure);
    Finish(world, *driver, job, "said too late");
    driver.reset();
    world.RunFor(milliseconds(100));
    EXPECT_EQ(OnlyJob(world).state(), failure.empty() ? "SUCCEEDED" : "FAILED");
    EXPECT_EQ(OnlyJob(world).message(), failure);
  }
}

TEST(RayletHandlersTest, AJobWhoseDriverEndsWithoutAWordHasFailed) {
  World world({{"CPU", 1}});
  JobId job;
  world.AddDriver(job).reset();
  world.RunFor(milliseconds(100));
  EXPECT_EQ(OnlyJob(world).state(), "FAILED");
  EXPECT_EQ(OnlyJob(world).message(), "the driver was killed, crashed or lost its connection");
}

TEST(RayletHandlersTest, ADriverThatLeavesWhileItJoinsLeavesNoRunningJob) {
  std::size_t failed = 0;
  for (int steps = 0; steps < 40; ++steps) {  // wherever it is on its way
    World world({{"CPU", 1}});
    Process driver(world, world.config.node_id);
    protocol::RegisterWorkerRequest request;
    *request.mutable_address() = driver.address;
    request.set_is_driver(true);
    driver.client->Call(protocol::kRegisterWorker, request, [](const auto&) {});
    for (int i = 0; i < steps; ++i) world.loop.RunOne();
    driver.client.reset();
    world.RunFor(milliseconds(100));
    for (const protocol::JobInfo& job : Jobs(world)) failed += job.state() == "FAILED" ? 1 : 0;
    for (const protocol::JobInfo& job : Jobs(world)) EXPECT_NE(job.state(), "RUNNING") << steps;
    EXPECT_EQ(world.node->raylet()->Count().drivers, 0U);
  }
  EXPECT_GT(failed, 0U) << "none was that far";
}

TEST(RayletHandlersTest, HowAProcessEndsIsToldOnceItHasEnded) {
  World world({{"CPU", 1}});
  JobId job;
  const auto driver = world.AddDriver(job);
  const auto grant = world.Granted(driver->RequestLease(job, {{"CPU", 1}})).grant();
  std::optional<std::string> cause;
  const auto ask = [&](const std::string& worker) {
    protocol::DescribeDeathRequest request;
    request.set_worker_id(worker);
    cause.reset();
    driver->client->Call(protocol::kDescribeDeath, request, [&](const auto& reply) {
      cause = reply ? reply->cause() : reply.error().ToString();
    });
    world.RunFor(milliseconds(100));
  };
  ask(std::string(WorkerId::kSize, 'u'));
  EXPECT_EQ(cause, "") << "nobody knows it here";
  ask(grant.worker().worker_id());
  EXPECT_EQ(cause, std::nullopt) << "it lives";
  world.launcher.Kill(world.launcher.alive.begin()->first);
  world.RunFor(milliseconds(100));
  EXPECT_EQ(cause, "signal 9 (SIGKILL)");
  ask(grant.worker().worker_id());
  EXPECT_EQ(cause, "signal 9 (SIGKILL)");
}

TEST(RayletHandlersTest, AProcessOfAnotherNodeIsDeadWhenThatNodeOrTheGcsSaysSo) {
  World world({{"CPU", 1}});
  JobId job;
  const auto driver = world.AddDriver(job);
  const auto other = world.random.NewId<NodeId>();
  const auto client = world.AddNode(other);
  world.RunFor(milliseconds(100));
  const auto ask = [&](char worker, const NodeId& node) {
    protocol::DescribeDeathRequest request;
    request.set_worker_id(std::string(WorkerId::kSize, worker));
    request.set_node_id(std::string(node.Binary()));
    client->Heartbeat(nullptr);
    std::string cause;
    driver->client->Call(protocol::kDescribeDeath, request, [&](const auto& reply) {
      cause = reply ? reply->cause() : std::string(ErrorCodeName(reply.error().code()));
    });
    world.RunFor(std::chrono::seconds(3));
    return cause;
  };
  EXPECT_EQ(ask('u', world.config.node_id), "its raylet no longer knows it");
  EXPECT_EQ(ask('u', world.random.NewId<NodeId>()), "") << "that node may have joined just now";
  EXPECT_EQ(ask('u', other), "unavailable") << "its raylet cannot be asked";
  protocol::WorkerDeath death;
  death.set_worker_id(std::string(WorkerId::kSize, 'w'));
  death.set_cause("signal 9 (SIGKILL)");
  client->ReportWorkerDeath(death);
  world.RunFor(milliseconds(100));
  EXPECT_EQ(ask('w', other), "signal 9 (SIGKILL)");
  client->LeaveNode("asked to", [](const auto&) {});
  world.RunFor(milliseconds(100));
  EXPECT_EQ(ask('u', other), "its node died: left: asked to");
}

TEST(RayletHandlersTest, WhoAsksForTheEndOfALiveProcessEndsNobody) {
  World world({{"CPU", 1}});
  JobId job;
  const auto driver = world.AddDriver(job);
  protocol::DescribeDeathRequest request;
  request.set_worker_id(
      world.Granted(driver->RequestLease(job, {{"CPU", 1}})).grant().worker().worker_id());
  std::optional<ErrorCode> code;
  driver->client->Call(protocol::kDescribeDeath, request,
                       [&](const auto& reply) { code = reply.error().code(); });
  world.RunFor(std::chrono::seconds(10));
  EXPECT_EQ(code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(world.launcher.alive.size(), 1U);
}

TEST(RayletHandlersTest, AWorkerThatNobodyStartedIsRefused) {
  World world({{"CPU", 1}});
  JobId job;
  const auto driver = world.AddDriver(job);
  Process stranger(world, world.config.node_id);
  const auto reply = stranger.Register(false, job, WorkerId());
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code(), ErrorCode::kInvalidArgument);
}

TEST(RayletHandlersTest, WhoRegistersIsToldWhatItNeeds) {
  World world({{"CPU", 1}});
  JobId job;
  const auto first = world.AddDriver(job);
  const auto reply = Process(world, world.config.node_id).Register(true, JobId(), WorkerId());
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->node_id(), world.config.node_id.Binary());
  EXPECT_EQ(reply->raylet_endpoint(), "inproc://raylet");
  EXPECT_EQ(reply->inline_bytes_max(), world.config.inline_bytes_max);
  EXPECT_NE(reply->job_id(), job.Binary()) << "each driver has its own job";
}

}  // namespace
}  // namespace mobula::raylet::testing
