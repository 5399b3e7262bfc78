/// \file
/// \brief A submitted task, as the task table and the lease pool share it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "components/base/ids.h"
#include "components/base/payload.h"
#include "components/base/resources.h"
#include "components/core_worker/worker.pb.h"
#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

/// What a lease is asked for. Tasks of one key may run on each other's leases.
struct SchedulingKey {
  ResourceSet resources;
  internal::Placement placement = internal::Placement::kDefault;
  NodeId node;        ///< For kNode.
  bool soft = false;  ///< For kNode.
  std::uint32_t depth = 0;
  std::string text;  ///< All of the above, for comparing and ordering.

  /// Fills `text`.
  void Seal();
};

/// One submitted task. Owned by the task table; lent to the lease pool from `Enqueue` until the
/// pool tells its `PushObserver` how the attempt ended.
struct SubmittedTask {
  TaskId id;
  TaskSpec spec;  ///< Stored arguments with their latest hints; references not yet filled in.
  std::shared_ptr<const SchedulingKey> key;  // owners: tasks and the pool's group of that key
  /// Arguments given by reference whose values are inline, by index: filled in when pushed, so that
  /// a thousand queued tasks share one value.
  std::vector<std::pair<int, Payload>> inline_arguments;
  std::size_t inline_bytes = 0;  ///< Of all inline values, in `spec` and `inline_arguments`.
  bool runs_once = false;        ///< May not begin twice: has a worker to itself.
};

/// Where an attempt ran.
struct WorkerPlace {
  NodeId node;
  std::string raylet_endpoint;
  std::string worker_endpoint;
};

/// Was it this task's fault, as far as we can know?
enum class Charge : std::uint8_t { kOneRetry, kFree };

/// Hears how the attempts of lent tasks end. Inside each call the task is not lent any more, so it
/// may be enqueued again or destroyed.
class PushObserver {
 public:
  virtual ~PushObserver() = default;
  /// The worker answered with results or a failure.
  virtual void OnFinished(SubmittedTask& task, TaskResult result, const WorkerPlace& where) = 0;
  /// The worker could not find these stored arguments and gave the task back.
  virtual void OnArgumentsMissing(SubmittedTask& task, const TaskResult& result) = 0;
  /// The worker or its node died.
  virtual void OnLost(SubmittedTask& task, const Error& error, Charge charge) = 0;
  /// It can never run: infeasible, or the worker is another program.
  virtual void OnRefused(SubmittedTask& task, const Error& error) = 0;
};

}  // namespace mobula::core_worker
