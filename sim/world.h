/// \file
/// \brief What all parts of one simulation share.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "components/base/event_log.h"
#include "components/base/simulated/event_loop.h"
#include "components/transport/simulated/simulated_network.h"
#include "sim/capacity.h"
#include "sim/oracle.h"
#include "sim/sim_config.h"

namespace mobula::sim {

/// A bug put in on purpose, to see that the simulation finds it. Each sits in this folder, between
/// the workload and the runtime; the runtime knows nothing of them.
enum class Plant : std::uint8_t {
  kNone,
  kSkipRetryOnWorkerDeath,  ///< Tasks are submitted without the retries they were promised.
  kLeakReference,           ///< A worker keeps one reference for ever.
  kWrongValue,              ///< One task in fifty computes something else.
  kLoseTask,                ///< One task in fifty never ends.
};

/// Counts for the summary.
struct Counters {
  std::uint64_t submitted = 0, attempts = 0, retries = 0, made_again = 0, gets = 0, errors = 0;
  std::uint64_t infeasible = 0, joins = 0;
  std::uint64_t worker_kills = 0, node_kills = 0, driver_kills = 0, restarts = 0, partings = 0;
  std::uint64_t processes = 0;
};

/// Threads: one. Lifetime: outlives all processes of the simulation.
struct World {
  static constexpr std::size_t kLinesKept = 40;

  World(const SimConfig& the_config, const SimOptions& the_options, Plant the_plant)
      : config(the_config),
        options(the_options),
        plant(the_plant),
        loop(the_options.seed, SimulatedEventLoop::Order::kShuffled),
        network(loop, loop.random().Fork("network"),
                {.latency_min = std::chrono::microseconds(the_options.latency_us) / 4,
                 .latency_mean = std::chrono::microseconds(the_options.latency_us),
                 .death_notice_max = std::chrono::milliseconds(5)}) {}

  /// The log of every process goes into the digest, the last lines and, if wanted, to `on_line`.
  [[nodiscard]] LogSink Sink() {
    return [this](LogLevel level, std::string_view line) { Line(level, line); };
  }
  void Line(LogLevel level, std::string_view line) {
    if (level != LogLevel::kDebug) loop.Mix(line);
    last_lines.emplace_back(line);
    if (last_lines.size() > kLinesKept) last_lines.pop_front();
    if (on_line) on_line(line);
  }
  /// A promise is broken. The first one counts.
  void Violate(std::string what) {
    if (!violation) violation = std::move(what);
  }
  template <typename... Args>
    requires(sizeof...(Args) > 0)
  void Violate(fmt::format_string<Args...> what, Args&&... args) {
    Violate(fmt::format(what, std::forward<Args>(args)...));
  }

  const SimConfig& config;
  const SimOptions options;
  const Plant plant;
  SimulatedEventLoop loop;
  transport::SimulatedNetwork network;
  Oracle oracle;
  Capacity capacity;
  Counters counters;
  std::map<std::string, std::uint32_t> finished;  // task id → times it ended with a value
  std::optional<std::string> violation;
  std::deque<std::string> last_lines;
  std::function<void(std::string_view)> on_line;
  LogLevel log_level = LogLevel::kInfo;  // of the nodes
};

}  // namespace mobula::sim
