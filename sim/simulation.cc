#include "sim/simulation.h"

#include "sim/cluster.h"

namespace mobula::sim {
namespace {

constexpr Duration kBootMax = std::chrono::seconds(10);
constexpr Duration kLookEvery = std::chrono::milliseconds(10);  // for what is left

/// Runs until `is_done`, a violation, or `time_max` from now. \return whether it was done.
template <typename Done>
bool Drive(World& world, const Cluster& cluster, Duration time_max, Done is_done) {
  const TimePoint end = world.loop.Now() + time_max;
  std::int64_t until_check = world.config.check_every;
  while (!world.violation) {
    if (is_done()) return true;
    if (world.loop.Now() > end || !world.loop.RunOne()) return false;
    if (--until_check > 0) continue;
    // Walking all state after each event would take more time than the run itself.
    until_check = world.config.check_every;
    cluster.CheckInvariants();
  }
  return false;
}

/// As `Drive`, until nothing is left. \return what is left in the end; empty if nothing.
template <typename Left>
std::string Drain(World& world, const Cluster& cluster, Duration time_max, Left left) {
  const TimePoint end = world.loop.Now() + time_max;
  std::string remaining = left();
  while (!remaining.empty() && world.loop.Now() < end && !world.violation) {
    const TimePoint next = world.loop.Now() + kLookEvery;
    Drive(world, cluster, time_max, [&] { return world.loop.Now() >= next; });
    remaining = left();
  }
  return remaining;
}

void Play(World& world, Cluster& cluster) {
  const SimConfig& config = world.config;
  cluster.StartNodes();
  if (!Drive(world, cluster, kBootMax, [&] { return cluster.HasStarted(); })) {
    return world.Violate("the cluster has not started in 10 s");
  }
  cluster.StartDrivers();
  cluster.PlanFaults();
  // While faults are still to come, only safety is checked: values, capacity, invariants.
  Drive(world, cluster, config.window + config.liveness_max,
        [&] { return !cluster.HasFaultsAhead(); });
  // From here on nothing goes wrong any more, so all work must end.
  const auto is_done = [&] { return cluster.IsWorkDone(); };
  if (!Drive(world, cluster, config.liveness_max, is_done)) {
    return world.Violate("hang: {} after the last fault these graphs have not ended: {}",
                         FormatTime(config.liveness_max), cluster.Unfinished());
  }
  // Every driver has dropped what it held. Nobody may still keep anything for it.
  std::string left = Drain(world, cluster, config.quiet_max, [&] { return cluster.Leftovers(); });
  if (!left.empty()) {
    return world.Violate("leak: {} after all references were dropped, {}",
                         FormatTime(config.quiet_max), left);
  }
  // With its driver a job is over, and its processes must be gone.
  cluster.EndDrivers();
  left = Drain(world, cluster, config.quiet_max, [&] { return cluster.LeftProcesses(); });
  if (!left.empty()) {
    world.Violate("leak: {} after all drivers have left, {}", FormatTime(config.quiet_max), left);
  }
}

}  // namespace

Report RunSimulation(const SimConfig& config, const SimOptions& options, Plant plant,
                     const Watching& watching) {
  World world(config, options, plant);
  world.on_line = watching.on_line;
  {
    Cluster cluster(world);
    Play(world, cluster);
    world.loop.RunReady();  // what is to be destroyed later goes before the network does
  }
  Report report;
  report.options = options;
  report.violation = world.violation;
  report.last_lines.assign(world.last_lines.begin(), world.last_lines.end());
  report.digest = world.loop.Digest();
  report.events = world.loop.events();
  report.virtual_time = world.loop.Now().time_since_epoch();
  report.counters = world.counters;
  return report;
}

std::string Report::Summary() const {
  return fmt::format(
      "seed={} {} digest={:016x} events={} virtual={} tasks={} attempts={} retries={} "
      "made_again={} "
      "gets={} errors={} infeasible={} joins={} killed: workers={} nodes={} drivers={} partings={}",
      options.seed, violation ? "VIOLATED" : "right", digest, events, FormatTime(virtual_time),
      counters.submitted, counters.attempts, counters.retries, counters.made_again, counters.gets,
      counters.errors, counters.infeasible, counters.joins, counters.worker_kills,
      counters.node_kills, counters.driver_kills, counters.partings);
}

Result<Plant> ParsePlant(std::string_view name) {
  if (name.empty()) return Plant::kNone;
  if (name == "skip-retry-on-worker-death") return Plant::kSkipRetryOnWorkerDeath;
  if (name == "leak-reference") return Plant::kLeakReference;
  if (name == "wrong-value") return Plant::kWrongValue;
  if (name == "lose-task") return Plant::kLoseTask;
  return Fail(ErrorCode::kInvalidArgument,
              "no planted bug '{}'; known: skip-retry-on-worker-death, leak-reference, "
              "wrong-value, lose-task",
              name);
}

}  // namespace mobula::sim
