/// \file
/// \brief Runs the programs of the workload as tasks: virtual time instead of a thread.
#pragma once

#include "components/base/task_group.h"
#include "components/core_worker/core_worker.h"
#include "sim/program.h"

namespace mobula::sim {

/// Threads: one. Lifetime: world, loop and core worker outlive it.
class SimulatedExecutor final : public core_worker::TaskExecutor {
 public:
  SimulatedExecutor(World& world, EventLoop& loop, core_worker::CoreWorker& core)
      : world_(world), loop_(loop), core_(core) {}

  /// As in the processes of tasks. The oracle of capacity counts on it: a lease pays for one task.
  [[nodiscard]] std::size_t lane_count() const override { return 1; }
  void Run(core_worker::TaskHandle task, core_worker::TaskCall call) override;
  void Stop() { tasks_.Stop(); }

 private:
  using Output = core_worker::TaskOutput;
  Task<Output> Execute(core_worker::TaskHandle task, core_worker::TaskCall given);
  Task<Output> Return(Program& program, TaskId task, const Plan& plan, std::uint64_t hash,
                      internal::ReferencePtr inner);

  World& world_;
  EventLoop& loop_;
  core_worker::CoreWorker& core_;
  std::vector<internal::ReferencePtr> leaked_;  // planted bug
  TaskGroup tasks_;
};

}  // namespace mobula::sim
