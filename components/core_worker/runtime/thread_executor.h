/// \file
/// \brief Runs tasks on a thread: the real `TaskExecutor`.
#pragma once

#include <optional>

#include "components/core_worker/core_worker.h"
#include "components/core_worker/runtime/blocking_runtime.h"
#include "mobula/internal/function_table.h"

namespace mobula::core_worker {

/// One thread, one task at a time, through the function table of the program.
///
/// A worker's main thread calls `RunUntilStopped`; in embedded mode a thread of its own does.
/// Lifetime: core worker, loop and runtime outlive it; `RunUntilStopped` has returned before it is
/// destroyed.
class ThreadExecutor final : public TaskExecutor {
 public:
  ThreadExecutor(CoreWorker& core, EventLoop& loop, BlockingRuntime& runtime);

  /// Hands `task` to the thread. Threads: the state lock is held.
  void Run(RunnableTask task) override;

  /// Runs tasks on this thread until `Stop`; the current one is finished first, its outcome is
  /// dropped. \pre the state lock is not held.
  void RunUntilStopped();
  /// Threads: the state lock is held. Twice is harmless.
  void Stop();

 private:
  [[nodiscard]] Result<std::vector<TaskOutput>> Execute(RunnableTask task);

  CoreWorker& core_;
  EventLoop& loop_;
  BlockingRuntime& runtime_;
  // Of the task thread: most tasks are of the kind of the one before.
  TaskConstantsPtr last_constants_;
  const internal::FunctionEntry* last_function_ = nullptr;
  // Guarded by the state lock:
  WaitPoint changed_;
  std::optional<RunnableTask> next_;
  bool stopped_ = false;
};

}  // namespace mobula::core_worker
