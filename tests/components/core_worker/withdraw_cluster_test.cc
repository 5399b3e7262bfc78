// A lease pool with nothing above it: what it tells of attempts, and tasks that are withdrawn.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "components/core_worker/owner/lease_pool.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker_methods.h"
#include "tests/components/core_worker/sim_cluster.h"

namespace mobula::core_worker::sim {
namespace {

using std::chrono::microseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Withdrawal = TaskSender::Withdrawal;

/// Lends tasks to a pool and notes how their loans end.
class Lender final : public AttemptObserver {
 public:
  Lender(Cluster& cluster, Node& node)
      : log_(cluster.loop.clock(), "lender", LogLevel::kError, {}),
        peers_(
            cluster.loop, [&cluster](std::string_view) { return cluster.transport.get(); },
            Random(1), {}, &services_),
        raylet_(cluster.loop, *cluster.transport, node.endpoint, Random(2), {}, &services_),
        pool({cluster.loop, peers_, raylet_, log_, *this},
             {.lease_requests_max = 4,
              .pipeline_tasks_max = 256,
              .pipeline_time = milliseconds(1),
              .lease_idle_max = seconds(1)},
             Random(3)) {
    services_.HandleNotification(protocol::kTasksDone,
                                 [this](auto& done, auto&) { pool.OnTasksDone(std::move(done)); });
    services_.HandleNotification(protocol::kReclaimLeases,
                                 [this](auto& request, auto&) { pool.OnReclaim(request); });
    protocol::Address self;
    self.set_worker_id(std::string(WorkerId::kSize, 'w'));
    self.set_node_id(std::string(node.id.Binary()));
    self.set_endpoint("inproc://lender");
    protocol::Program program;
    program.set_hash(cluster.program);
    program.set_build(cluster.program);
    pool.SetSelf(self, JobId(), program, node.endpoint);
  }
  ~Lender() override { pool.Stop(); }

  SubmittedTask& Lend(const std::string& function, std::uint32_t result_count = 1) {
    const boost::intrusive_ptr<TaskKind> kind(new TaskKind);
    kind->number = ++last_kind_;
    kind->name = function;
    kind->result_count = result_count;
    SchedulingKey key;
    key.resources.Set("CPU", Amount::FromDouble(1));
    kind->group = pool.GroupFor(key);
    kind->sender = &pool;
    protocol::TaskConstants constants;
    constants.mutable_function()->set_name(function);
    constants.set_result_count(result_count);
    kind->message = constants.SerializeAsString();
    SubmittedTask& task = tasks_.emplace_back();
    task.id = random_.NewId<TaskId>();
    task.kind = kind;
    kind->sender->Enqueue(task);
    return task;
  }

  void OnResult(SubmittedTask& task, std::uint32_t index, ResultValue result, IsLast is_last,
                const WorkerPlace&) override {
    const auto* value = std::get_if<Payload>(&result.state);
    results.push_back(fmt::format("{} {}={}{}", task.kind->name, index,
                                  value == nullptr ? "stored" : value->text(),
                                  is_last == IsLast::kYes ? "" : " …"));
    if (is_last == IsLast::kYes) ended.push_back(&task);
  }
  void OnFailed(SubmittedTask& task, const Error&, const WorkerPlace&) override {
    ended.push_back(&task);
  }
  void OnArgumentsMissing(SubmittedTask& task, const protocol::TaskResult&) override {
    ended.push_back(&task);
  }
  void OnLost(SubmittedTask& task, const Error&, Charge) override {
    if (on_lost) on_lost(task);
    lost.push_back(&task);
  }
  void OnRefused(SubmittedTask& task, const Error&) override { ended.push_back(&task); }
  void OnWithdrawn(SubmittedTask& task) override { withdrawn.push_back(&task); }

 private:
  EventLog log_;
  rpc::ServiceTable services_;
  rpc::ClientPool peers_;
  rpc::Client raylet_;
  Random random_{4};
  std::deque<SubmittedTask> tasks_;
  std::uint64_t last_kind_ = 0;

 public:
  LeasePool pool;
  std::vector<std::string> results;
  std::vector<const SubmittedTask*> ended, lost, withdrawn;
  std::function<void(const SubmittedTask&)> on_lost;
};

class WithdrawTest : public ::testing::Test {
 protected:
  WithdrawTest() {
    cluster.programs["brief"] = [](const TaskRunPtr& run) {
      run->After(microseconds(10), [run] { run->Return("brief"); });
    };
    cluster.programs["slow"] = [](const TaskRunPtr& run) {
      run->After(seconds(1), [run] { run->Return("slow"); });
    };
    cluster.programs["pair"] = [](const TaskRunPtr& run) { run->ReturnAll({"one", "two"}); };
  }
  /// Until several tasks are pushed to one worker.
  void WarmUp() {
    for (int i = 0; i < 20; ++i) lender.Lend("brief");
    cluster.RunFor(milliseconds(100));
    ASSERT_EQ(lender.ended.size(), 20U);
    lender.ended.clear();
    lender.results.clear();
    cluster.runs.clear();
  }
  Cluster cluster;
  Node& node = cluster.AddNode(1);
  Lender lender{cluster, node};
};

TEST_F(WithdrawTest, ResultsAreToldOneByOneInOrder) {
  const SubmittedTask& pair = lender.Lend("pair", 2);
  cluster.RunFor(milliseconds(10));
  EXPECT_THAT(lender.results, ElementsAre("pair 0=one …", "pair 1=two"));
  EXPECT_THAT(lender.ended, ElementsAre(&pair));
}

TEST_F(WithdrawTest, ATaskThatIsQueuedInThePoolIsGoneAtOnce) {
  lender.Lend("slow");
  SubmittedTask& queued = lender.Lend("brief");
  cluster.RunFor(milliseconds(1));
  EXPECT_EQ(lender.pool.Withdraw(queued), Withdrawal::kWithdrawn);
  cluster.RunFor(seconds(5));
  EXPECT_THAT(lender.results, ElementsAre("slow 0=slow"));
  EXPECT_THAT(lender.withdrawn, IsEmpty()) << "what is gone at once is not told again";
  EXPECT_EQ(cluster.runs["brief"], 0);
  EXPECT_EQ(lender.pool.lease_count() + lender.pool.request_count(), 0U);
}

TEST_F(WithdrawTest, ATaskThatWaitsAtItsWorkerIsGivenBackAndTheOthersRun) {
  WarmUp();
  lender.Lend("slow");
  lender.Lend("brief");
  SubmittedTask& unwanted = lender.Lend("pair", 2);
  lender.Lend("brief");
  cluster.RunFor(milliseconds(1));
  EXPECT_EQ(lender.pool.Withdraw(unwanted), Withdrawal::kAsked);
  EXPECT_EQ(lender.pool.Withdraw(unwanted), Withdrawal::kAsked) << "twice is harmless";
  lender.pool.CheckInvariants();
  EXPECT_THAT(lender.withdrawn, IsEmpty());
  cluster.RunFor(milliseconds(1));
  EXPECT_THAT(lender.withdrawn, ElementsAre(&unwanted));
  cluster.RunFor(seconds(5));
  EXPECT_THAT(lender.results,
              UnorderedElementsAre("slow 0=slow", "brief 0=brief", "brief 0=brief"));
  EXPECT_EQ(cluster.runs["pair"], 0);
  EXPECT_EQ(lender.withdrawn.size(), 1U);
}

TEST_F(WithdrawTest, ATaskThatRunsSaysSoAndEnds) {
  WarmUp();
  SubmittedTask& runs = lender.Lend("slow");
  cluster.RunFor(milliseconds(1));
  EXPECT_EQ(lender.pool.Withdraw(runs), Withdrawal::kRunning);
  cluster.RunFor(seconds(5));
  EXPECT_THAT(lender.results, ElementsAre("slow 0=slow"));
  EXPECT_THAT(lender.withdrawn, IsEmpty());
}

TEST_F(WithdrawTest, ATaskThatBeganBeforeTheWorkerWasAskedEndsAsAnyOther) {
  WarmUp();
  lender.Lend("brief");
  SubmittedTask& second = lender.Lend("slow");
  ASSERT_TRUE(cluster.loop.RunUntil([&] { return cluster.runs["slow"] == 1; }, seconds(1)));
  // It runs; whether the pool has heard of the end of the first depends on when that is told.
  EXPECT_NE(lender.pool.Withdraw(second), Withdrawal::kWithdrawn);
  cluster.RunFor(seconds(5));
  EXPECT_THAT(lender.results, ElementsAre("brief 0=brief", "slow 0=slow"));
  EXPECT_THAT(lender.withdrawn, IsEmpty());
}

TEST_F(WithdrawTest, AWithdrawnTaskIsLostWithItsWorkerAsAnyOther) {
  WarmUp();
  SubmittedTask& front = lender.Lend("slow");
  SubmittedTask& behind = lender.Lend("brief");
  cluster.RunFor(milliseconds(1));
  EXPECT_EQ(lender.pool.Withdraw(behind), Withdrawal::kAsked);
  node.Kill(*node.FindWorker([](const Process&) { return true; }), "signal 9");
  EXPECT_NE(lender.pool.Withdraw(behind), Withdrawal::kWithdrawn);
  cluster.RunFor(seconds(1));
  EXPECT_THAT(lender.lost, ElementsAre(&front, &behind));
  EXPECT_THAT(lender.withdrawn, IsEmpty());
}

TEST_F(WithdrawTest, WhatALostAttemptStoredIsDeletedBeforeTheTaskCanRunAgain) {
  SubmittedTask& task = lender.Lend("slow");
  cluster.RunFor(milliseconds(1));
  const ObjectId result = ObjectId::OfTask(task.id, 0);
  node.objects[result] = Payload::FromString("half");
  lender.on_lost = [&](const SubmittedTask&) { EXPECT_FALSE(node.objects.contains(result)); };
  node.Kill(*node.FindWorker([](const Process&) { return true; }), "signal 9");
  cluster.RunFor(seconds(1));
  EXPECT_THAT(lender.lost, ElementsAre(&task));
}

}  // namespace
}  // namespace mobula::core_worker::sim
