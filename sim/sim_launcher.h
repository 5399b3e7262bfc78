/// \file
/// \edge
/// \brief Worker kind `simulated`: workers are objects on the common loop.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>

#include "components/base/lifetime.h"
#include "components/raylet/worker_launcher.h"
#include "sim/sim_process.h"

namespace mobula::sim {

/// The workers of one host.
///
/// Threads: one. Lifetime: world and loop outlive it; workers die with it, without `on_exit`.
class SimulatedLauncher final : public raylet::WorkerLauncher {
 public:
  /// \param host network group of the workers: "n1". \param loop the raylet's.
  SimulatedLauncher(World& world, EventLoop& loop, std::string host);
  ~SimulatedLauncher() override;

  void Start(raylet::WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) override;
  void Kill(std::int64_t pid) override;
  void EndJob(const JobId& job) override;

  /// The host loses power: ends all workers, and nobody is told.
  void KillAll();
  /// The workers that live, by pid.
  [[nodiscard]] const std::map<std::int64_t, std::unique_ptr<SimulatedProcess>>& workers() const {
    return workers_;
  }

 private:
  static constexpr std::int64_t kStartTimeMaxUs = 20'000;
  void Begin(std::int64_t pid, raylet::WorkerSpec spec);
  void End(std::int64_t pid, ExitStatus status);

  World& world_;
  EventLoop& loop_;
  const std::string host_;
  Random random_;
  std::int64_t last_pid_ = 1000;
  std::map<std::int64_t, std::unique_ptr<SimulatedProcess>> workers_;
  std::map<std::int64_t, OnExit> on_exit_;
  std::set<std::int64_t> is_started_;  // their pids were told
  std::map<std::int64_t, JobId> jobs_;
  Lifetime alive_;
};

}  // namespace mobula::sim
