/// \file
/// \brief What every `TaskExecutor` has to keep to, checked on a worker that an owner pushes to.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "components/base/event_loop.h"
#include "components/core_worker/core_worker.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker::testing {

/// What a task of the suite does.
enum class Behaviour : std::uint8_t {
  kEcho,  ///< Returns its number.
  kFail,  ///< Ends without a result.
  kMeet,  ///< Returns its number once as many tasks as there are lanes have begun; else fails.
  kWait,  ///< Gets the result of a child that is infeasible, and fails of it.
};

/// An executor with the loop that it runs on and with tasks that it understands.
class ExecutorWorld {
 public:
  virtual ~ExecutorWorld() = default;
  [[nodiscard]] virtual EventLoop& loop() = 0;
  /// Makes the executor, once; it and what it needs live as long as the world.
  virtual TaskExecutor& MakeExecutor(CoreWorker& core) = 0;
  /// Its threads may run tasks from here to `Stop`. The state lock is not held.
  virtual void Start() {}
  virtual void Stop() {}
  /// Runs `step` with the state lock held.
  virtual void Enter(const std::function<void()>& step) = 0;
  /// Lets time go by until `done`, which is called with the state lock held. \return false: never.
  [[nodiscard]] virtual bool RunUntil(const std::function<bool()>& done) = 0;

  [[nodiscard]] virtual protocol::FunctionKey Function() = 0;
  [[nodiscard]] virtual std::string Argument(Behaviour behaviour, int number) = 0;
  /// \return the value of a task that returns this number.
  [[nodiscard]] virtual std::string Value(int number) = 0;
};

using WorldFactory = std::function<std::unique_ptr<ExecutorWorld>()>;

/// \return the promises of task_executor.h that the executor breaks, as text; empty: it is right.
[[nodiscard]] std::vector<std::string> ExecutorViolations(const WorldFactory& make);

}  // namespace mobula::core_worker::testing
