/// \file
/// \edge
/// \brief What a simulation is made of: the ranges of a file, and what a seed draws from them.
///
/// Every key, its default and its meaning stands in node/config/sim.yaml, which is the manual. A
/// value may be a range such as `60..150`; the seed then chooses, and what it chose is printed.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "components/base/config_value.h"
#include "components/base/random.h"
#include "components/base/resources.h"

namespace mobula::sim {

/// A number of a file: one value, or a choice for the seed. Both ends included.
struct Range {
  std::int64_t min = 0;
  std::int64_t max = 0;
  [[nodiscard]] std::int64_t Draw(Random& random) const {
    return min + static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(max - min) + 1));
  }
};

/// A file's settings. Times are in microseconds where they are ranges.
struct SimConfig {
  // cluster:
  Range nodes{3, 5};
  Range cpus{1, 4};        ///< Each node draws its own.
  Range disks{0, 2};       ///< The same: a custom resource, so that nodes differ in kind.
  Range late_nodes{0, 1};  ///< Joins within the window, and alone has what some tasks ask for.
  Range latency_us{20, 500};
  Range inline_bytes_max{500, 2000};
  ConfigValue scheduler;
  ConfigValue object_store;
  ConfigValue gcs_storage;
  // work:
  Range drivers{1, 2};
  Range tasks{60, 150};
  Range task_time_us{100, 20'000};
  Range value_bytes{0, 5000};
  Range max_retries{2, 4};
  double no_retry_share = 0.1;       ///< Of tasks with max_retries 0.
  double other_amounts_share = 0.4;  ///< Of tasks that ask for something else than one CPU.
  std::map<std::string, double> shapes{{"chain", 1},  {"fan_out", 1},     {"tree", 1},
                                       {"nested", 1}, {"mixed", 1},       {"references", 2},
                                       {"late", 0.3}, {"infeasible", 0.3}};
  // faults:
  Duration window = std::chrono::seconds(2);  ///< Faults happen within this time.
  Range worker_kills{0, 4};
  Range node_kills{0, 2};
  Range driver_kills{0, 1};
  Range partitions{0, 1};
  Range partition_time_us{10'000, 1'000'000};
  Range restart_after_us{100'000, 2'000'000};
  // bounds:
  Duration liveness_max = std::chrono::seconds(60);
  Duration quiet_max = std::chrono::seconds(60);
  std::int64_t check_every = 64;  ///< Events between two checks of all invariants.
};

/// One seed's choice.
struct SimOptions {
  std::uint64_t seed = 0;
  std::int64_t nodes = 0, latency_us = 0, inline_bytes_max = 0;
  Range cpus{1, 1};
  Range disks{0, 0};
  std::int64_t late_nodes = 0;
  std::int64_t drivers = 0, tasks = 0;
  std::int64_t worker_kills = 0, node_kills = 0, driver_kills = 0, partitions = 0;
  /// \return all of it on one line, for the top of a report.
  [[nodiscard]] std::string ToString() const;
};

/// The shapes a graph may have.
inline constexpr std::string_view kShapes[] = {"chain",      "fan_out", "tree", "nested",
                                               "references", "mixed",   "late", "infeasible"};
/// What only the node that joins late has, what several nodes have, and what no node ever has.
inline constexpr std::string_view kLate = "late";
inline constexpr std::string_view kDisk = "disk";
inline constexpr std::string_view kUnicorn = "unicorn";

/// \return what the node in this place of the cluster has, also when a new node takes the place.
[[nodiscard]] ResourceSet ResourcesOf(const SimOptions& options, std::int64_t place);
/// \return what a node has that joins late.
[[nodiscard]] ResourceSet LateResources();

/// \return the settings in `root`. kInvalidArgument names the first wrong key and its line.
[[nodiscard]] Result<SimConfig> ReadSimConfig(const ConfigValue& root);
/// Reads and checks a file. kInvalidArgument also if it cannot be read.
[[nodiscard]] Result<SimConfig> LoadSimConfig(const std::string& path);
/// The same config and seed give the same options.
[[nodiscard]] SimOptions DrawOptions(const SimConfig& config, std::uint64_t seed);

}  // namespace mobula::sim
