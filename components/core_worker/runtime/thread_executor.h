/// \file
/// \brief Runs tasks on threads: the real `TaskExecutor`.
#pragma once

#include <deque>
#include <optional>

#include "components/core_worker/core_worker.h"
#include "components/core_worker/runtime/blocking_runtime.h"
#include "mobula/internal/function_table.h"

namespace mobula::core_worker {

/// A thread a lane, one task at a time each, through the function table of the program.
///
/// The threads are the caller's: each one that calls `RunUntilStopped` is a lane. In a worker that
/// is its main thread; in embedded mode a thread of its own.
/// Lifetime: core worker, loop and runtime outlive it; `RunUntilStopped` has returned before it is
/// destroyed.
class ThreadExecutor final : public TaskExecutor {
 public:
  ThreadExecutor(CoreWorker& core, EventLoop& loop, BlockingRuntime& runtime,
                 std::size_t lane_count = 1);

  [[nodiscard]] std::size_t lane_count() const override { return lanes_.size(); }
  /// Hands `call` to the thread of a free lane. Threads: the state lock is held.
  void Run(TaskHandle task, TaskCall call) override;

  /// Is one lane until `Stop`; the current task is finished first, its outcome is dropped.
  /// \pre the state lock is not held, and fewer than `lane_count` threads are in here.
  void RunUntilStopped();
  /// Threads: the state lock is held. Twice is harmless.
  void Stop();

 private:
  struct Lane {
    // Of the lane's thread: most tasks are of the kind of the one before.
    TaskConstantsPtr last_constants;
    const internal::FunctionEntry* last_function = nullptr;
    // Guarded by the state lock:
    WaitPoint changed;
    TaskHandle task = nullptr;     ///< Null: the lane is free.
    std::optional<TaskCall> next;  ///< Handed over, not begun.
  };
  [[nodiscard]] Result<TaskOutput> Execute(Lane& lane, TaskCall call);

  CoreWorker& core_;
  EventLoop& loop_;
  BlockingRuntime& runtime_;
  // Guarded by the state lock:
  std::deque<Lane> lanes_;  // all of them, from the start: a lane never moves
  std::size_t thread_count_ = 0;
  bool stopped_ = false;
};

}  // namespace mobula::core_worker
