/// \file
/// \brief What runs user code: the seam between a worker and the functions of its program.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "components/base/ids.h"
#include "components/base/payload.h"
#include "components/protocol/worker.pb.h"
#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

using TaskConstantsPtr = std::shared_ptr<const protocol::TaskConstants>;  // of a lease, its tasks
/// A task whose arguments are here.
struct RunnableTask {
  TaskId id;
  std::uint32_t attempt = 0;  ///< 0 first.
  TaskConstantsPtr constants;
  std::vector<Payload> arguments;  ///< In order; pinned while held.
};

/// One result of a task. A large value is best written to the store by the executor (its thread
/// copies without the state lock); then only its size and references are told.
struct TaskOutput {
  internal::SerializedValue value;  ///< `size` and `references` always; bytes unless stored.
  bool is_stored = false;  ///< Created and sealed in this node's store under the result's id.
};

/// What runs user code, one task at a time. Real: a thread (blocking_runtime.h). Simulated: timers.
class TaskExecutor {
 public:
  virtual ~TaskExecutor() = default;
  /// Begins to run `task`, never inside this call; the end is told with `CoreWorker::FinishTask`.
  virtual void Run(RunnableTask task) = 0;
};

}  // namespace mobula::core_worker
