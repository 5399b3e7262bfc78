/// \file
/// \brief The tasks that run in a worker at a time, and whether all of them wait.
#pragma once

#include <cstddef>
#include <vector>

#include "components/core_worker/worker/pushed_task.h"

namespace mobula::core_worker {

/// As many places as the executor has lanes. A place never moves: its address is the task's handle.
///
/// Threads: the state lock. Cost: constant, whatever the number of lanes.
class Lanes {
 public:
  /// \param count of the executor; 0 for a driver, which runs no tasks. Once, before `Begin`.
  void Open(std::size_t count);

  [[nodiscard]] bool HasFree() const { return !free_.empty(); }
  [[nodiscard]] std::size_t running_count() const { return places_.size() - free_.size(); }
  /// \return the running task if there is exactly one, else null.
  [[nodiscard]] TaskHandle Sole();

  /// Takes a free lane for `task`. Children and puts of the task are numbered from 0.
  RunningTask& Begin(PushedTask task, TimePoint now);
  /// Frees the lane. \return the task. \pre it runs, and waits for nothing.
  PushedTask End(RunningTask& task);
  /// The task waits, or goes on. Calls nest: only the outermost counts.
  void SetBlocked(RunningTask& task, bool blocked);

  /// All that runs here waits, so this process needs no CPU.
  [[nodiscard]] bool AllWait() const { return blocked_ > 0 && blocked_ == running_count(); }
  /// All lanes are taken by tasks that wait: nothing that is queued can begin before one goes on.
  [[nodiscard]] bool AreStuck() const { return AllWait() && free_.empty(); }

 private:
  std::vector<RunningTask> places_;
  std::vector<RunningTask*> free_;  // the last one is taken first
  std::size_t blocked_ = 0;         // tasks that wait
};

}  // namespace mobula::core_worker
