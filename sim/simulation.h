/// \file
/// \brief One run: a whole cluster in one thread on virtual time, faults, and a verdict.
///
///     boot ─► work, with faults inside the window ─► quiet: nothing is left of finished work
///                                                      ─► drivers leave: no process is left
///
/// Safety is checked all the time (the oracle, every invariant); liveness once the faults are over:
/// each phase ends within a bound of virtual time. The same configuration and seed give the same
/// run, to the last event. Book: \ref ch_how_we_know.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/sim_config.h"
#include "sim/world.h"

namespace mobula::sim {

/// How a run ended.
struct Report {
  SimOptions options;
  std::optional<std::string> violation;  ///< The broken promise; none: all were kept.
  std::vector<std::string> last_lines;   ///< Of the event log.
  std::uint64_t digest = 0;              ///< Equal for equal runs.
  std::uint64_t events = 0;
  Duration virtual_time{};
  Counters counters;
  /// \return one line: seed, digest, counts.
  [[nodiscard]] std::string Summary() const;
};

/// What a run may show while it lasts.
struct Watching {
  std::function<void(std::string_view line)> on_line;  ///< Every line of the event log.
};

/// Runs one seed. A broken invariant of the runtime ends the whole process (`Check`).
/// \pre `config` names a store and a scheduler that can be built.
[[nodiscard]] Report RunSimulation(const SimConfig& config, const SimOptions& options, Plant plant,
                                   const Watching& watching = {});

/// \return the planted bug of this name. kInvalidArgument lists the known ones.
[[nodiscard]] Result<Plant> ParsePlant(std::string_view name);

}  // namespace mobula::sim
