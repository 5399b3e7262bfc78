#include "components/core_worker/worker/lanes.h"

#include <gtest/gtest.h>

namespace mobula::core_worker {
namespace {

PushedTask TaskNamed(char letter) {
  auto constants = std::make_shared<protocol::TaskConstants>();
  constants->set_name(std::string(1, letter));
  constants->set_depth(3);
  return {.lease = std::make_shared<ServedLease>(),
          .id = *TaskId::FromBinary(std::string(TaskId::kSize, letter)),
          .attempt = 2,
          .constants = std::move(constants)};
}

TEST(LanesTest, EachTaskHasAContextOfItsOwn) {
  Lanes lanes;
  lanes.Open(2);
  RunningTask& first = lanes.Begin(TaskNamed('a'), TimePoint());
  RunningTask& second = lanes.Begin(TaskNamed('b'), TimePoint());
  first.context.next_child = 7;
  EXPECT_EQ(second.context.next_child, 0U);
  EXPECT_EQ(first.context.task_name, "a");
  EXPECT_EQ(second.context.task_name, "b");
  EXPECT_EQ(second.context.depth, 3U);
  EXPECT_EQ(second.context.attempt, 2U);
  EXPECT_FALSE(lanes.HasFree());
  EXPECT_EQ(lanes.running_count(), 2U);
}

TEST(LanesTest, AHandleKeepsItsPlaceWhileOthersComeAndGo) {
  Lanes lanes;
  lanes.Open(3);
  RunningTask& stays = lanes.Begin(TaskNamed('s'), TimePoint());
  for (int i = 0; i < 10; ++i) {
    RunningTask& other = lanes.Begin(TaskNamed('o'), TimePoint());
    EXPECT_NE(&other, &stays);
    EXPECT_EQ(lanes.End(other).id, TaskNamed('o').id);
  }
  EXPECT_EQ(stays.task.id, TaskNamed('s').id);
  EXPECT_EQ(lanes.Sole(), &stays);
}

TEST(LanesTest, ANewTaskOfALaneCountsFromTheStart) {
  Lanes lanes;
  lanes.Open(1);
  RunningTask& first = lanes.Begin(TaskNamed('a'), TimePoint());
  first.context.next_child = 5;
  first.context.next_put = 5;
  lanes.End(first);
  EXPECT_EQ(lanes.Sole(), nullptr);
  const RunningTask& second = lanes.Begin(TaskNamed('b'), TimePoint());
  EXPECT_EQ(second.context.next_child, 0U);
  EXPECT_EQ(second.context.next_put, 0U);
}

TEST(LanesTest, AllWaitOnlyWhenEveryRunningTaskDoes) {
  Lanes lanes;
  lanes.Open(2);
  EXPECT_FALSE(lanes.AllWait());
  RunningTask& first = lanes.Begin(TaskNamed('a'), TimePoint());
  lanes.SetBlocked(first, true);
  EXPECT_TRUE(lanes.AllWait());
  EXPECT_FALSE(lanes.AreStuck());  // a lane is free
  RunningTask& second = lanes.Begin(TaskNamed('b'), TimePoint());
  EXPECT_FALSE(lanes.AllWait());
  lanes.SetBlocked(second, true);
  EXPECT_TRUE(lanes.AreStuck());
  lanes.SetBlocked(first, false);
  EXPECT_FALSE(lanes.AllWait());
  lanes.End(first);
  EXPECT_TRUE(lanes.AllWait());
}

TEST(LanesTest, WaitsNest) {
  Lanes lanes;
  lanes.Open(1);
  RunningTask& task = lanes.Begin(TaskNamed('a'), TimePoint());
  lanes.SetBlocked(task, true);
  lanes.SetBlocked(task, true);
  lanes.SetBlocked(task, false);
  EXPECT_TRUE(lanes.AllWait());
  lanes.SetBlocked(task, false);
  EXPECT_FALSE(lanes.AllWait());
}

TEST(LanesTest, ADriverHasNone) {
  Lanes lanes;
  lanes.Open(0);
  EXPECT_FALSE(lanes.HasFree());
  EXPECT_FALSE(lanes.AreStuck());
  EXPECT_EQ(lanes.Sole(), nullptr);
}

}  // namespace
}  // namespace mobula::core_worker
