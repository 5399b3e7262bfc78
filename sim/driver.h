/// \file
/// \edge
/// \brief A driver of the simulation: submits its graphs at random moments and gets what they give.
#pragma once

#include <string>
#include <vector>

#include "sim/sim_process.h"
#include "sim/workload.h"

namespace mobula::sim {

/// Threads: one. Lifetime: the world outlives it.
class Driver {
 public:
  Driver(World& world, std::string name, std::string raylet_endpoint, std::vector<Graph> graphs);
  ~Driver();

  /// Joins, then works through all graphs at once.
  void Start();
  void Kill() { process_.Kill(); }
  [[nodiscard]] bool IsDone() const { return graphs_left_ == 0; }
  /// \return the names of graphs that have not ended.
  [[nodiscard]] std::string Unfinished() const;
  [[nodiscard]] const SimulatedProcess& process() const { return process_; }
  [[nodiscard]] SimulatedProcess& process() { return process_; }

 private:
  Task<void> Work(std::size_t index);

  World& world_;
  Random random_;
  std::vector<Graph> graphs_;
  std::vector<std::string> doing_;  // by graph: what it waits for; empty when done
  std::size_t graphs_left_;
  SimulatedProcess process_;
  Program program_;
  TaskGroup tasks_;
};

}  // namespace mobula::sim
