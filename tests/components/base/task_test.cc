#include "components/base/task.h"

#include <gtest/gtest.h>

#include <functional>

#include "components/base/task_group.h"

namespace mobula {
namespace {

using Callback = std::function<void(Result<int>)>;

Task<int> WaitFor(Callback* slot) {
  co_return co_await AwaitCallback<int>([slot](auto done) { *slot = done; });
}

Task<int> AddOne(Callback* slot) {
  Result<int> value = co_await WaitFor(slot);
  if (!value) co_return Fail(std::move(value.error()));
  co_return *value + 1;
}

TEST(TaskTest, ResumesWithTheValueOfTheCallback) {
  TaskGroup group;
  Callback callback;
  int seen = 0;
  group.Spawn<int>(AddOne(&callback), [&](Result<int> r) { seen = *r; });
  EXPECT_EQ(group.size(), 1U);
  callback(41);
  EXPECT_EQ(seen, 42);
  EXPECT_EQ(group.size(), 0U);
}

TEST(TaskTest, PassesErrorsThrough) {
  TaskGroup group;
  Callback callback;
  std::string seen;
  group.Spawn<int>(AddOne(&callback), [&](Result<int> r) { seen = r.error().ToString(); });
  callback(Fail(ErrorCode::kNotFound, "no {}", 7));
  EXPECT_EQ(seen, "not_found: no 7");
}

TEST(TaskTest, StopDestroysWaitingTasksAndLateCallbacksAreHarmless) {
  Callback callback;
  bool ended = false;
  TaskGroup group;
  group.Spawn<int>(AddOne(&callback), [&](Result<int>) { ended = true; });
  group.Stop();
  callback(1);
  EXPECT_FALSE(ended);
  EXPECT_FALSE(group.Spawn<int>(AddOne(&callback)));
}

TEST(TaskTest, AnswersInsideTheCallDoNotSuspend) {
  TaskGroup group;
  int seen = 0;
  auto immediate = []() -> Task<int> {
    co_return co_await AwaitCallback<int>([](auto done) { done(5); });
  };
  group.Spawn<int>(immediate(), [&](Result<int> r) { seen = *r; });
  EXPECT_EQ(seen, 5);
}

}  // namespace
}  // namespace mobula
