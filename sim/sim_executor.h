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
      : world_(world),
        loop_(loop),
        core_(core),
        program_(world, loop, core, Program::Place::kTask) {}

  void Run(core_worker::RunnableTask task) override;
  void Stop() { tasks_.Stop(); }

 private:
  using Outputs = std::vector<core_worker::TaskOutput>;
  Task<Outputs> Execute(core_worker::RunnableTask task);
  Task<std::uint64_t> ReadInputs(const Call& call, std::vector<Payload> arguments);
  Task<internal::ReferencePtr> RunChildren(const Plan& plan, std::uint64_t& hash);
  Task<Outputs> Return(TaskId task, const Plan& plan, std::uint64_t hash,
                       internal::ReferencePtr inner);

  World& world_;
  EventLoop& loop_;
  core_worker::CoreWorker& core_;
  Program program_;
  std::vector<internal::ReferencePtr> leaked_;  // planted bug
  TaskGroup tasks_;
};

}  // namespace mobula::sim
