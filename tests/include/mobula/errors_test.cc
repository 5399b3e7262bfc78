#include "mobula/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mobula {
namespace {

template <typename E>
bool Throws(ErrorCode code) {
  try {
    Throw(Error(code, "why"));
  } catch (const E& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_EQ(error.message(), "why");
    return true;
  } catch (...) {
    return false;
  }
}

TEST(ErrorsTest, EveryCodeHasItsException) {
  EXPECT_TRUE(Throws<InvalidArgumentError>(ErrorCode::kInvalidArgument));
  EXPECT_TRUE(Throws<NotFoundError>(ErrorCode::kNotFound));
  EXPECT_TRUE(Throws<AlreadyExistsError>(ErrorCode::kAlreadyExists));
  EXPECT_TRUE(Throws<UnavailableError>(ErrorCode::kUnavailable));
  EXPECT_TRUE(Throws<GetTimeoutError>(ErrorCode::kDeadlineExceeded));
  EXPECT_TRUE(Throws<CancelledError>(ErrorCode::kCancelled));
  EXPECT_TRUE(Throws<LimitExceededError>(ErrorCode::kResourceExhausted));
  EXPECT_TRUE(Throws<PermissionDeniedError>(ErrorCode::kPermissionDenied));
  EXPECT_TRUE(Throws<VersionMismatchError>(ErrorCode::kVersionMismatch));
  EXPECT_TRUE(Throws<InfeasibleError>(ErrorCode::kInfeasible));
  EXPECT_TRUE(Throws<WorkerDiedError>(ErrorCode::kWorkerDied));
  EXPECT_TRUE(Throws<NodeDiedError>(ErrorCode::kNodeDied));
  EXPECT_TRUE(Throws<OwnerDiedError>(ErrorCode::kOwnerDied));
  EXPECT_TRUE(Throws<ObjectLostError>(ErrorCode::kObjectLost));
  EXPECT_TRUE(Throws<TaskError>(ErrorCode::kTaskFailed));
  EXPECT_TRUE(Throws<CorruptError>(ErrorCode::kCorrupt));
  EXPECT_TRUE(Throws<StoreFullError>(ErrorCode::kStoreFull));
  EXPECT_TRUE(Throws<Exception>(ErrorCode::kInternal));
  EXPECT_THROW(Throw(Error(ErrorCode::kNodeDied, "why")), std::runtime_error);
}

TEST(ErrorsTest, ATaskErrorTellsTheWholeStory) {
  try {
    Throw(Error(ErrorCode::kTaskFailed, "x is 7")
              .WithRemote({.task_name = "Square",
                           .type_name = "std::out_of_range",
                           .node_id = "3f2a00112233",
                           .pid = 12}));
  } catch (const TaskError& error) {
    EXPECT_STREQ(error.what(),
                 "task Square failed on node 3f2a0011 in process 12: std::out_of_range: x is 7");
    EXPECT_EQ(error.pid(), 12);
    EXPECT_EQ(error.node_id(), "3f2a00112233");
  }
}

TEST(ErrorsTest, AWorkersDeathNamesTheTask) {
  try {
    Throw(Error(ErrorCode::kWorkerDied, "signal 9")
              .WithRemote({.task_name = "Square", .type_name = {}, .node_id = {}, .pid = 12}));
  } catch (const WorkerDiedError& error) {
    EXPECT_STREQ(error.what(), "task Square did not finish (worker_died) in process 12: signal 9");
  }
}

}  // namespace
}  // namespace mobula
