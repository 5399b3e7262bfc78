/// \file
/// \brief The cluster of one simulation, and what is done to it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "sim/driver.h"
#include "sim/sim_node.h"

namespace mobula::sim {

/// Threads: one. Lifetime: the world outlives it.
class Cluster {
 public:
  explicit Cluster(World& world);
  ~Cluster();

  void StartNodes();
  [[nodiscard]] bool HasStarted() const { return joined_ >= world_.options.nodes; }
  void StartDrivers();
  /// Draws what will happen when; all of it is over after the window, restarts a little later.
  void PlanFaults();
  [[nodiscard]] bool HasFaultsAhead() const { return faults_ahead_ > 0; }

  [[nodiscard]] bool IsWorkDone() const;
  [[nodiscard]] std::string Unfinished() const;
  /// \return the first thing found that finished work has left; empty if none.
  [[nodiscard]] std::string Leftovers() const;
  void EndDrivers();
  [[nodiscard]] std::string LeftProcesses() const;
  void CheckInvariants() const;

 private:
  void StartNode(ResourceSet resources);
  void KillWorker();
  void KillNode();
  void EndNode(std::size_t index);
  void KillDriver();
  void Part();
  void JoinLate();
  void At(Duration delay, std::function<void()> happen);

  World& world_;
  Random random_;
  std::vector<std::unique_ptr<SimulatedNode>> nodes_;  // living, the head first
  std::vector<std::unique_ptr<Driver>> drivers_;       // living
  std::int64_t joined_ = 0;
  std::int64_t last_host_ = -1;
  std::size_t faults_ahead_ = 0;
};

}  // namespace mobula::sim
