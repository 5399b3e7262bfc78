/// \file
/// \edge
/// \brief A driver or worker of the simulation: a core worker on a loop that can be killed.
///
///     made ──Start──► joining ──► joined ──raylet says so, raylet lost──► `on_end` ─► Kill
///       └───────────────┴───────────┴── Kill, at any moment: silent at once, destroyed later
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "components/base/simulated/scoped_loop.h"
#include "components/core_worker/assembly/core_worker_assembly.h"
#include "sim/sim_executor.h"
#include "sim/world.h"

namespace mobula::sim {

/// Threads: one. Lifetime: the world outlives it.
class SimulatedProcess {
 public:
  /// \param name on the network: "n1.w3". \param options without endpoints to listen at, and for a
  ///        driver without an id: those are made here.
  SimulatedProcess(World& world, std::string name, core_worker::AssemblyOptions options);
  ~SimulatedProcess();

  /// `joined` runs when tasks can be submitted or run, or with the reason why not.
  void Start(Done<void> joined) {
    assembly_->Join(executor_ ? &*executor_ : nullptr, std::move(joined));
  }
  /// Runs when the process should end by itself.
  void OnEnd(std::function<void(const Error&)> callback) { on_end_ = std::move(callback); }
  /// Silences it as a kill does. It may be destroyed by a later event of the world's loop.
  void Kill();

  [[nodiscard]] core_worker::CoreWorker& core() { return assembly_->core(); }
  [[nodiscard]] EventLoop& loop() { return loop_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool has_joined() const { return assembly_->has_joined(); }
  /// \return what it still holds, as text; empty if nothing.
  [[nodiscard]] std::string Leftovers() const;

 private:
  World& world_;
  const std::string name_;
  ScopedEventLoop loop_;
  std::unique_ptr<transport::Transport> transport_;
  EventLog log_;
  std::unique_ptr<core_worker::CoreWorkerAssembly> assembly_;
  std::optional<SimulatedExecutor> executor_;
  std::function<void(const Error&)> on_end_;
};

}  // namespace mobula::sim
