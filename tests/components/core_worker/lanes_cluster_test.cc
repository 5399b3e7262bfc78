// Workers whose executor has two lanes: two tasks run in one process at a time.

#include <gtest/gtest.h>

#include "tests/components/core_worker/sim_cluster.h"

namespace mobula::core_worker::sim {
namespace {

class LanesClusterTest : public ::testing::Test {
 protected:
  LanesClusterTest() {
    cluster.lanes = 2;
    cluster.programs["brief"] = [](const TaskRunPtr& run) {
      run->After(std::chrono::microseconds(10), [run] { run->Return("brief"); });
    };
    cluster.programs["parked"] = [this](const TaskRunPtr& run) { parked.push_back(run); };
    cluster.programs["three"] = [this](const TaskRunPtr& run) { parked.push_back(run); };
  }
  /// The owner has seen that tasks are brief, so it pushes several to one worker.
  void SetUp() override {
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(driver.Get(driver.Submit("brief", {})));
  }
  /// Runs the cluster until so many tasks are parked. \return false: they never were.
  bool AwaitParked(std::size_t count) {
    return cluster.loop.RunUntil([&] { return parked.size() == count; }, seconds(10));
  }

  Cluster cluster{1};
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  std::vector<TaskRunPtr> parked;
};

TEST_F(LanesClusterTest, TwoTasksOfOneWorkerRunSideBySide) {
  const ReferencePtr first = driver.Submit("parked", {"1"});
  const ReferencePtr second = driver.Submit("parked", {"2"});
  ASSERT_TRUE(AwaitParked(2));
  EXPECT_EQ(&parked[0]->process(), &parked[1]->process());
  EXPECT_NE(parked[0]->handle(), parked[1]->handle());
  // They end in another order than they began.
  parked[1]->Return("second");
  EXPECT_EQ(driver.Get(second).value_or("?"), "second");
  parked[0]->Return("first");
  EXPECT_EQ(driver.Get(first).value_or("?"), "first");
}

TEST_F(LanesClusterTest, WhatATaskSubmitsAndPutsIsNamedAfterItAndNotAfterItsNeighbour) {
  const ReferencePtr first = driver.Submit("parked", {"1"});
  const ReferencePtr second = driver.Submit("parked", {"2"});
  ASSERT_TRUE(AwaitParked(2));
  const ReferencePtr put_by_first = parked[0]->Put(Serialize("a"));
  const ReferencePtr put_by_second = parked[1]->Put(Serialize("b"));
  const CoreWorker& core = parked[0]->process().core;
  EXPECT_EQ(put_by_first->id, ObjectId::OfPut(first->id.Task(), 0));
  EXPECT_EQ(put_by_second->id, ObjectId::OfPut(second->id.Task(), 0));
  EXPECT_EQ(core.Count().references.owned, 2U);
  parked[0]->Return("1");
  parked[1]->Return("2");
}

TEST_F(LanesClusterTest, ResultsOfNeighboursMayInterleave) {
  const auto three = driver.SubmitAll("three", {}, {.result_count = 3});
  const ReferencePtr other = driver.Submit("parked", {});
  ASSERT_TRUE(AwaitParked(2));
  CoreWorker& core = parked[0]->process().core;
  core.OnResult(parked[0]->handle(), 0, {.value = Serialize("0")}, IsLast::kNo);
  core.OnResult(parked[0]->handle(), 1, {.value = Serialize("1")}, IsLast::kNo);
  parked[1]->Return("other");
  core.OnResult(parked[0]->handle(), 2, {.value = Serialize("2")}, IsLast::kYes);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(driver.Get(three[i]).value_or("?"), std::to_string(i));
  }
  EXPECT_EQ(driver.Get(other).value_or("?"), "other");
}

TEST_F(LanesClusterTest, AFailureAfterSomeResultsFailsTheTaskAndFreesItsLane) {
  const auto three = driver.SubmitAll("three", {}, {.max_retries = 0, .result_count = 3});
  ASSERT_TRUE(AwaitParked(1));
  parked[0]->process().core.OnResult(parked[0]->handle(), 0, {.value = Serialize("0")},
                                     IsLast::kNo);
  parked[0]->Throw("no more");
  EXPECT_EQ(driver.Get(three[0]).error().code(), ErrorCode::kTaskFailed);
  EXPECT_EQ(driver.Get(driver.Submit("brief", {})).value_or("?"), "brief");
}

TEST_F(LanesClusterTest, TheCpuIsGivenBackOnlyWhenAllRunningTasksWait) {
  const ReferencePtr first = driver.Submit("parked", {});
  const ReferencePtr second = driver.Submit("parked", {});
  ASSERT_TRUE(AwaitParked(2));
  const std::int64_t busy = node.free_units();
  CoreWorker& core = parked[0]->process().core;
  const auto free_after = [&](std::size_t task, bool blocked) {
    core.SetBlocked(parked[task]->handle(), blocked);
    cluster.RunFor(milliseconds(10));
    return node.free_units();
  };
  EXPECT_EQ(free_after(0, true), busy);
  EXPECT_GT(free_after(1, true), busy);
  EXPECT_EQ(free_after(0, false), busy);
  EXPECT_GT(free_after(0, true), busy);
  EXPECT_EQ(free_after(1, false), busy);
  // The only one that did not wait has ended.
  parked[1]->Return("second");
  cluster.RunFor(milliseconds(10));
  EXPECT_GT(node.free_units(), busy);
  EXPECT_EQ(free_after(0, false), busy);
  parked[0]->Return("first");
  EXPECT_TRUE(driver.Get(first) && driver.Get(second));
}

TEST_F(LanesClusterTest, ATaskBesideOneThatWaitsBringsTheCpuBack) {
  const ReferencePtr first = driver.Submit("parked", {});
  ASSERT_TRUE(AwaitParked(1));
  const std::int64_t busy = node.free_units();
  parked[0]->process().core.SetBlocked(parked[0]->handle(), true);
  cluster.RunFor(milliseconds(1));
  EXPECT_GT(node.free_units(), busy);
  const ReferencePtr second = driver.Submit("parked", {});
  ASSERT_TRUE(AwaitParked(2));
  cluster.RunFor(milliseconds(1));
  EXPECT_EQ(&parked[0]->process(), &parked[1]->process());
  EXPECT_EQ(node.free_units(), busy);
  parked[0]->process().core.SetBlocked(parked[0]->handle(), false);
  parked[0]->Return("1");
  parked[1]->Return("2");
  EXPECT_TRUE(driver.Get(first) && driver.Get(second));
}

}  // namespace
}  // namespace mobula::core_worker::sim
