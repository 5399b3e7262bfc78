/// \file
/// \brief What becomes of the attempts of tasks that are lent to a sender.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "components/core_worker/owner/object_state.h"
#include "components/core_worker/owner/submitted_task.h"
#include "components/core_worker/task_output.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker {

/// Where an attempt ran.
struct WorkerPlace {
  NodeId node;
  std::string raylet_endpoint;
  std::string worker_endpoint;
};

/// A reference inside a result. Its worker holds it until we have registered as a borrower.
struct ContainedReference {
  ObjectId id;
  std::string_view owner;  ///< Its address, encoded; valid for the call that tells it.
};
/// One result of a task.
struct ResultValue {
  ObjectState state;  ///< A value, or where it is stored.
  std::vector<ContainedReference> contained;
};

/// Was it this task's fault, as far as we can know?
enum class Charge : std::uint8_t { kOneRetry, kFree };

//! [attempt-observer-interface]
/// Learns how attempts end. All calls but one end the loan: inside them the task is not lent any
/// more, so it may be enqueued again or destroyed. The exception is `OnResult` with `kNo`.
class AttemptObserver {
 public:
  virtual ~AttemptObserver() = default;
  /// The task has result number `index` now; they come in order. The last one ends the loan.
  virtual void OnResult(SubmittedTask& task, std::uint32_t index, ResultValue result,
                        IsLast is_last, const WorkerPlace& where) = 0;
  /// The task ran and failed.
  virtual void OnFailed(SubmittedTask& task, const Error& error, const WorkerPlace& where) = 0;
  /// The worker could not find these stored arguments and gave the task back.
  virtual void OnArgumentsMissing(SubmittedTask& task, const protocol::TaskResult& result) = 0;
  /// The worker or its node died.
  virtual void OnLost(SubmittedTask& task, const Error& error, Charge charge) = 0;
  /// It can never run: infeasible, or the worker is another program.
  virtual void OnRefused(SubmittedTask& task, const Error& error) = 0;
  /// `TaskSender::Withdraw` was in time: the task never began.
  virtual void OnWithdrawn(SubmittedTask& task) = 0;
};
//! [attempt-observer-interface]

}  // namespace mobula::core_worker
