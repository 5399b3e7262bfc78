/// \file
/// \brief The running task: what user code acts for.
///
/// A worker may run several tasks at a time, each in a lane of its executor, and their threads
/// submit, put and wait independently. So every call that is made in a task's name says which task
/// that is. A driver runs no task; its calls are made in the name of the program itself.
#pragma once

#include <cstdint>
#include <string_view>

#include "components/base/ids.h"

namespace mobula::core_worker {

/// From what the names of children and of objects that are put are made. Each task counts its own.
struct TaskContext {
  TaskId task;
  std::uint32_t attempt = 0;
  std::uint32_t depth = 0;  ///< 0 in a driver, one more for each generation of children.
  std::uint64_t next_child = 0;
  std::uint32_t next_put = 0;
  std::string_view task_name;  ///< Empty in a driver; valid as long as the task runs.
};

/// One running task of this process. Null: code outside any task, as all of a driver's.
///
/// Valid from the `TaskExecutor::Run` that brought it to the task's last result or failure. After
/// that the same handle may stand for the next task of its lane.
using TaskHandle = struct RunningTask*;

}  // namespace mobula::core_worker
