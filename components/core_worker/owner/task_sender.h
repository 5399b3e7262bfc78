/// \file
/// \brief What brings a task to a worker that runs it.
///
/// The task table knows *when* a task may run and whether it runs again; a sender knows *where*.
/// The lease pool is the sender of stateless tasks. A task kind names its sender, so that kinds of
/// tasks that go elsewhere (to an actor, say) are another sender and not another task table.
#pragma once

#include <cstdint>

#include "components/core_worker/owner/submitted_task.h"

namespace mobula::core_worker {

//! [task-sender-interface]
/// Threads: the state lock. Lifetime: outlives the kinds that name it. A lent task outlives its
/// loan; every loan ends in exactly one of: `Withdraw` says kWithdrawn, or an ending call to the
/// sender's `AttemptObserver`.
class TaskSender {
 public:
  /// How far a task was when it was withdrawn.
  enum class Withdrawal : std::uint8_t {
    kWithdrawn,  ///< It was queued here: the loan is over and the observer is not called.
    /// It waits at a worker, which is asked to give it back. The observer learns which came first:
    /// `OnWithdrawn`, or the task began and ends as any other.
    kAsked,
    kRunning,  ///< It runs, or is the next to run at its worker. It ends as any other.
  };
  virtual ~TaskSender() = default;

  /// Takes a task on loan whose arguments are ready. It is sent soon, or when a worker is free.
  /// Never calls the observer inside this call. Cost: constant, no allocation as a rule.
  virtual void Enqueue(SubmittedTask& task) = 0;
  /// Brings back a task that has not begun. Twice is harmless while the loan lasts.
  /// Cost: linear in the tasks queued and pushed under its scheduling key. Errors: none.
  /// \pre the task is lent to this sender.
  [[nodiscard]] virtual Withdrawal Withdraw(SubmittedTask& task) = 0;
};
//! [task-sender-interface]

}  // namespace mobula::core_worker
