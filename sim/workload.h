/// \file
/// \brief Random task graphs: what a simulated driver submits, in which order, and what it gets.
#pragma once

#include <string>
#include <vector>

#include "components/base/random.h"
#include "sim/oracle.h"
#include "sim/sim_config.h"

namespace mobula::sim {

/// One step of a driver: a Put or a task over earlier items of the same graph.
struct Item {
  Plan plan;
  bool is_put = false;
  bool is_fetched = false;             ///< The driver gets it in the end.
  std::vector<std::size_t> arguments;  ///< Items given by reference: the task sees their values.
  std::vector<std::size_t> contained;  ///< Items whose references travel inside the argument.
};

/// Items in order of submission.
struct Graph {
  std::string name;
  std::vector<Item> items;
};

/// \return graphs of about `tasks` tasks, children included, all known to the oracle.
/// \param nodes what each node has that is there or will join.
[[nodiscard]] std::vector<Graph> MakeGraphs(const SimConfig& config,
                                            const std::vector<ResourceSet>& nodes,
                                            std::int64_t tasks, const std::string& who,
                                            Random random, Oracle& oracle);

}  // namespace mobula::sim
