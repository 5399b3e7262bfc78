// \edge: talks to people
//
// `mobula sim`: a whole cluster in this process, on virtual time, with faults and an oracle.

#include <charconv>
#include <csignal>
#include <memory>

#include "cli/commands.h"
#include "sim/simulation.h"

namespace mobula::cli {
namespace {

using sim::DrawOptions;
using sim::Plant;
using sim::Report;
using sim::SimConfig;
using sim::SimOptions;

struct Settings {
  std::string config;  // empty: the defaults, which node/config/sim.yaml lists
  std::string seed = "1";
  std::string seeds;  // "1..100"
  std::int64_t nodes = 0;
  std::string plant;
  bool check_determinism = false;
  bool verbose = false;
};

/// What to type to see the run at hand again; for `OnAbort`, which can be given nothing.
std::string& Replay() {
  static std::string command;
  return command;
}

/// A broken invariant aborts: the least it can do is to say how to see it again.
extern "C" void OnAbort(int /*signal*/) {
  std::fprintf(stderr, "replay: %s\n", Replay().c_str());
  // The abort goes on after this and ends the process, as it would without us.
  std::signal(SIGABRT, SIG_DFL);
}

std::string ReplayCommand(const Settings& settings, std::uint64_t seed) {
  std::string command = "mobula sim";
  if (!settings.config.empty()) command += " --config " + settings.config;
  if (settings.nodes > 0) command += fmt::format(" --nodes {}", settings.nodes);
  if (!settings.plant.empty()) command += " --plant " + settings.plant;
  return command + fmt::format(" --seed {}", seed);
}

void Explain(const Report& report) {
  fmt::print("violated: {}\nlast events:\n", *report.violation);
  for (const std::string& line : report.last_lines) fmt::print("  {}\n", line);
  fmt::print("replay: {}\n", Replay());
}

/// Not as the parser of the command line reads numbers: it takes -1 for a large one.
bool ReadSeed(std::string_view text, std::uint64_t& seed) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seed);
  return error == std::errc() && rest == end;
}

Result<std::pair<std::uint64_t, std::uint64_t>> ParseSeeds(const Settings& settings) {
  const std::string_view text = settings.seeds.empty() ? settings.seed : settings.seeds;
  // One number is a range of itself.
  const std::size_t dots = std::min(text.find(".."), text.size());
  const std::string_view last = dots == text.size() ? text : text.substr(dots + 2);
  std::pair<std::uint64_t, std::uint64_t> range;
  if (!ReadSeed(text.substr(0, dots), range.first) || !ReadSeed(last, range.second) ||
      range.first > range.second) {
    return Fail(ErrorCode::kInvalidArgument,
                "'{}' is no seed, which goes from 0 to {}, nor seeds such as 1..500", text,
                UINT64_MAX);
  }
  return range;
}

/// \return whether the run kept all promises.
bool RunSeed(const Settings& settings, const SimConfig& config, Plant plant, std::uint64_t seed) {
  SimOptions options = DrawOptions(config, seed);
  // The draw comes first and the flag after it, so that other options are those of the seed all the
  // same.
  if (settings.nodes > 0) options.nodes = settings.nodes;
  // Set before the run, which may abort.
  Replay() = ReplayCommand(settings, seed);
  sim::Watching watching;
  if (settings.verbose) watching.on_line = [](std::string_view line) { fmt::print("{}\n", line); };
  if (settings.seeds.empty()) fmt::print("options: {}\n", options.ToString());
  const Report report = sim::RunSimulation(config, options, plant, watching);
  fmt::print("{}\n", report.Summary());
  if (report.violation) {
    Explain(report);
    return false;
  }
  if (!settings.check_determinism) return true;
  // One seed must give one run, event for event. If not, something depends on real time, on
  // addresses or on chance that is not drawn from the seed, and no failure can be replayed.
  const Report again = sim::RunSimulation(config, options, plant);
  if (again.digest == report.digest) return true;
  fmt::print("violated: one seed gave two runs, {} and {}\nreplay: {} --check-determinism\n",
             report.Summary(), again.Summary(), Replay());
  return false;
}

int Run(const Settings& settings) {
  Result<SimConfig> config =
      settings.config.empty() ? sim::ReadSimConfig({}) : sim::LoadSimConfig(settings.config);
  if (!config) return Complain(config.error()), 2;
  const Result<Plant> plant = sim::ParsePlant(settings.plant);
  if (!plant) return Complain(plant.error());
  const auto seeds = ParseSeeds(settings);
  if (!seeds) return Complain(seeds.error());
  std::signal(SIGABRT, OnAbort);
  for (std::uint64_t seed = seeds->first;; ++seed) {
    // The first seed that fails is enough: its run is what has to be looked at.
    if (!RunSeed(settings, *config, *plant, seed)) return 1;
    std::fflush(stdout);
    if (seed == seeds->second) return 0;  // it may be the largest there is
  }
}

}  // namespace

void AddSim(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "sim",
      "Simulate a whole cluster in one thread: random work, faults, and an oracle that knows "
      "every\n"
      "value. Exit codes: 0 right, 1 a promise was broken, 2 wrong usage or configuration.");
  auto settings = std::make_shared<Settings>();
  command->add_option("--config", settings->config,
                      "What to simulate; default: as node/config/sim.yaml says");
  command->add_option("--seed", settings->seed, "Of this run")->capture_default_str();
  command->add_option("--seeds", settings->seeds, "Many runs, such as 1..500; stops at a failure");
  command->add_option("--nodes", settings->nodes, "Nodes, head included; instead of the file's")
      ->check(CLI::Range(1, 10'000));
  command->add_option("--plant", settings->plant, "Put in a bug by name, to see it found");
  command->add_flag("--check-determinism", settings->check_determinism,
                    "Run twice and compare the digests");
  command->add_flag("--verbose", settings->verbose, "Print the event log");
  command->callback([settings, &action] { action = [settings] { return Run(*settings); }; });
}

}  // namespace mobula::cli
