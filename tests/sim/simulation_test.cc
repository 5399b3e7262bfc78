// Whole clusters on virtual time. A failure prints the command that shows it again.

#include "sim/simulation.h"
#include "node/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mobula::sim {
namespace {

constexpr std::uint64_t kSeedsPerTest = 100;

SimConfig Config() {
  Result<SimConfig> config = LoadSimConfig(MOBULA_SIM_CONFIG);
  EXPECT_TRUE(config.has_value()) << config.error().ToString();
  return *config;
}

/// \return what a person needs to see a failed run again.
std::string Replay(const Report& report) {
  std::string text = report.violation.value_or("") + "\n";
  for (const std::string& line : report.last_lines) text += "  " + line + "\n";
  return text + fmt::format("replay: mobula sim --config node/config/sim.yaml --seed {}",
                            report.options.seed);
}

class SimulationSeedsTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(SimulationSeedsTest, EveryPromiseIsKept) {
  const SimConfig config = Config();
  for (std::uint64_t seed = GetParam(); seed < GetParam() + kSeedsPerTest; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));  // for a broken invariant, which aborts
    const Report report = RunSimulation(config, DrawOptions(config, seed), Plant::kNone);
    ASSERT_FALSE(report.violation) << Replay(report);
  }
}
INSTANTIATE_TEST_SUITE_P(Hundreds, SimulationSeedsTest, testing::Values(1, 101, 201, 301, 401));

TEST(SimulationTest, SeedsThatOnceFailedKeepEveryPromise) {
  const SimConfig config = Config();
  for (const std::uint64_t seed : {1ULL, 2ULL, 20ULL, 22ULL, 48ULL, 56ULL, 61ULL, 74ULL, 250ULL,
                                   291ULL, 302ULL, 839ULL, 939ULL, 1325ULL, 2863ULL, 2932ULL}) {
    const Report report = RunSimulation(config, DrawOptions(config, seed), Plant::kNone);
    ASSERT_FALSE(report.violation) << Replay(report);
  }
}

TEST(SimulationTest, AStorageOfTheGcsThatFailsIsToldAsTheEndOfTheHead) {
  auto config = ReadSimConfig(*node::ParseYaml(
      "gcs: { storage: { kind: faulty, rules: [{ operation: write, table: jobs, error: true }] } }",
      "test"));
  ASSERT_TRUE(config) << config.error().ToString();
  const Report report = RunSimulation(*config, DrawOptions(*config, 1), Plant::kNone);
  ASSERT_TRUE(report.violation);
  EXPECT_EQ(*report.violation,
            "the head n0 must exit: internal: head service gcs: the storage 'faulty' failed: "
            "storage fault: an I/O error was injected");
}

TEST(SimulationTest, OneSeedGivesOneRun) {
  const SimConfig config = Config();
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    const SimOptions options = DrawOptions(config, seed);
    const Report first = RunSimulation(config, options, Plant::kNone);
    const Report second = RunSimulation(config, options, Plant::kNone);
    ASSERT_EQ(first.Summary(), second.Summary());
  }
}

TEST(SimulationTest, OtherSeedsGiveOtherRuns) {
  const SimConfig config = Config();
  const Report one = RunSimulation(config, DrawOptions(config, 1), Plant::kNone);
  const Report two = RunSimulation(config, DrawOptions(config, 2), Plant::kNone);
  EXPECT_NE(one.digest, two.digest);
}

TEST(SimulationTest, WithoutFaultsNothingFails) {
  SimConfig config = Config();
  config.worker_kills = config.node_kills = config.driver_kills = config.partitions = {0, 0};
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    const Report report = RunSimulation(config, DrawOptions(config, seed), Plant::kNone);
    ASSERT_FALSE(report.violation) << Replay(report);
    EXPECT_EQ(report.counters.errors, 0U);
    EXPECT_EQ(report.counters.retries, 0U) << seed;
  }
}

// ---- mutants: a simulation that finds no planted bug finds no real one either ----

struct Mutant {
  std::string plant;
  std::string found_as;
};
class SimulationMutantTest : public testing::TestWithParam<Mutant> {};

TEST_P(SimulationMutantTest, IsCaughtAndNamed) {
  const SimConfig config = Config();
  const Result<Plant> plant = ParsePlant(GetParam().plant);
  ASSERT_TRUE(plant.has_value());
  for (std::uint64_t seed = 1; seed <= kSeedsPerTest; ++seed) {
    const Report report = RunSimulation(config, DrawOptions(config, seed), *plant);
    if (!report.violation) continue;
    EXPECT_THAT(*report.violation, testing::HasSubstr(GetParam().found_as));
    return;
  }
  FAIL() << GetParam().plant << " was not found in " << kSeedsPerTest << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Planted, SimulationMutantTest,
                         testing::Values(Mutant{"skip-retry-on-worker-death", "wrong error: "},
                                         Mutant{"leak-reference", "leak: "},
                                         Mutant{"wrong-value", "wrong value: "},
                                         Mutant{"lose-task", "hang: "}),
                         [](const auto& mutant) {
                           std::string name = mutant.param.plant;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace mobula::sim
