/// \file
/// \brief A driver or worker of the simulation: a `CoreWorker` on a loop that can be killed.
///
///     made ──Start──► joining ──► joined ──raylet says so, raylet lost──► `on_end` ─► End
///       └───────────────┴───────────┴── End, at any moment: cut off at once, destroyed later
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "components/base/simulated/scoped_loop.h"
#include "components/base/task_group.h"
#include "components/protocol/common.pb.h"
#include "sim/sim_executor.h"
#include "sim/world.h"

namespace mobula::sim {

/// What a process must know to take part.
struct CoreProcessOptions {
  std::string name;  ///< On the network: "n1.w3".
  bool is_driver = false;
  std::string raylet_endpoint;
  protocol::Program program;
  JobId job;            ///< Workers.
  WorkerId startup_id;  ///< Workers.
  std::int64_t pid = 0;
};

/// Threads: one. Lifetime: the world outlives it.
class CoreProcess {
 public:
  CoreProcess(World& world, CoreProcessOptions options);
  ~CoreProcess();

  /// `joined` runs when tasks can be submitted or run, or with the reason why not.
  void Start(Done<void> joined);
  /// Runs when the process should end by itself.
  void OnEnd(std::function<void(const Error&)> callback) { on_end_ = std::move(callback); }
  /// Silences it as a kill does. It may be destroyed by a later event of the world's loop.
  void CutOff();

  [[nodiscard]] core_worker::CoreWorker& core() { return *core_; }
  [[nodiscard]] EventLoop& loop() { return loop_; }
  [[nodiscard]] const CoreProcessOptions& options() const { return options_; }
  [[nodiscard]] bool has_joined() const { return has_joined_; }
  /// \return what it still holds, as text; empty if nothing.
  [[nodiscard]] std::string Leftovers() const;

 private:
  Task<void> Join();

  World& world_;
  const CoreProcessOptions options_;
  ScopedEventLoop loop_;
  std::unique_ptr<transport::Transport> transport_;
  Random random_;
  EventLog log_;
  rpc::ServiceTable services_;
  std::optional<rpc::ClientPool> peers_;
  std::optional<rpc::Client> raylet_;
  std::optional<core_worker::CoreWorker> core_;
  std::optional<rpc::Server> server_;
  std::optional<SimulatedExecutor> executor_;
  protocol::Address address_;
  std::function<void(const Error&)> on_end_;
  bool has_joined_ = false;
  TaskGroup tasks_;
};

}  // namespace mobula::sim
