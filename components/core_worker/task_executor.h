/// \file
/// \brief What runs user code: the seam between a worker and the functions of its program.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "components/base/ids.h"
#include "components/base/payload.h"
#include "components/core_worker/task_handle.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker {

using TaskConstantsPtr = std::shared_ptr<const protocol::TaskConstants>;  // of a lease, its tasks

/// What an executor needs to know of a task. Its arguments are here.
struct TaskCall {
  TaskId id;
  std::uint32_t attempt = 0;  ///< 0 first.
  TaskConstantsPtr constants;
  std::vector<Payload> arguments;  ///< In order; pinned while held.
};

//! [task-executor-interface]
/// Runs user code in lanes: one task a lane at a time, tasks of different lanes side by side. A
/// worker for tasks has one lane, because its lease pays for one task; an actor may have more.
///
/// Real: a thread a lane (runtime/thread_executor.h). Simulated: timers.
/// Threads: called with the state lock held. Lifetime: outlives the core worker's last call.
class TaskExecutor {
 public:
  virtual ~TaskExecutor() = default;
  /// \return how many tasks may run at a time: at least 1, always the same.
  [[nodiscard]] virtual std::size_t lane_count() const = 0;
  /// Begins to run `call` in a free lane, never inside this call. What comes of it is told with
  /// `CoreWorker::OnResult` or `OnTaskFailed` under the same handle; the last one frees the lane.
  /// \pre fewer than `lane_count` tasks run.
  virtual void Run(TaskHandle task, TaskCall call) = 0;
};
//! [task-executor-interface]

}  // namespace mobula::core_worker
