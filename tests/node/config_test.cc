// node/config/*.yaml are the manual: what stands there is read, what is read stands there, and the
// defaults are the true ones.

#include "node/config.h"
#include "sim/simulated_background_thread.h"
#include "sim/simulated_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <ranges>
#include <regex>
#include <set>
#include <sstream>
#include <tuple>

#include "components/raylet/assembly/node_assembly.h"
#include "node/wiring.h"
#include "sim/sim_config.h"

namespace mobula::node {
namespace {

using Path = std::vector<std::string>;
using Keys = std::set<std::string>;
using Map = ConfigValue::Map;

std::string PathOf(std::string_view file) {
  return std::string(MOBULA_CONFIG_FOLDER "/") + std::string(file);
}

/// The manual with the keys too that stand behind `# `.
ConfigValue Manual(std::string_view file) {
  std::ifstream stream(PathOf(file));
  static const std::regex kOptional("^( *)# ([a-z_]+:.*)$");
  std::string text;
  for (std::string line; std::getline(stream, line);) {
    text += std::regex_replace(line, kOptional, "$1$2") + "\n";
  }
  Result<ConfigValue> root = ParseYaml(text, file);
  EXPECT_TRUE(root) << root.error().ToString();
  return root ? *root : ConfigValue();
}

ConfigValue At(const ConfigValue& root, const Path& path) {
  ConfigValue at = root;
  for (const std::string& key : path) {
    if (at.list() != nullptr && !at.list()->empty()) at = ConfigValue(at.list()->front());
    at = at.map() != nullptr && at.map()->contains(key) ? at.map()->at(key) : ConfigValue();
  }
  return at.list() != nullptr && !at.list()->empty() ? ConfigValue(at.list()->front()) : at;
}

Keys KeysAt(const ConfigValue& root, const Path& path) {
  Keys keys;
  const ConfigValue value = At(root, path);
  if (value.map() == nullptr) return keys;
  for (const auto& [key, entry] : *value.map()) keys.insert(key);
  return keys;
}

/// A tree with `map` at `path`.
ConfigValue Nested(const Path& path, Map map) {
  ConfigValue value(std::move(map));
  for (const auto& key : path | std::views::reverse) {
    value = ConfigValue(Map{{key, std::move(value)}});
  }
  return value;
}

/// Reads all of a node's configuration, as a node does. \return the first error.
Result<void> ReadAll(const ConfigValue& root) {
  const Result<NodeConfig> config = ReadNodeConfig(root, "test");
  if (!config) return Fail(config.error());
  RealEventLoop loop;
  Result<void> outcome;
  loop.Enter([&] {
    const auto note = [&](const auto& made) {
      if (!made && outcome) outcome = Fail(made.error());
    };
    note(MakeTransports(loop, config->transport, Random(1),
                        std::make_shared<transport::HandshakeConfig>()));
    note(object_store::MakeStore(config->object_store));
    note(raylet::MakeScheduler(config->scheduler, scheduler::NodeView(), Random(1)));
    sim::SimulatedFileSystem files;
    sim::SimulatedBackgroundThread writer(loop);
    note(MakeStorage(config->gcs_storage, {loop, files, writer, "/gcs"}));
  });
  return outcome;
}

Result<void> ReadAllOfSim(const ConfigValue& root) {
  const Result<sim::SimConfig> config = sim::ReadSimConfig(root);
  return config ? Result<void>() : Fail(config.error());
}

Keys Known(const Result<void>& outcome) {
  EXPECT_FALSE(outcome) << "an unknown key or kind was accepted";
  const std::string text = outcome ? std::string() : outcome.error().ToString();
  const std::size_t at = text.find("known: ");
  EXPECT_NE(at, std::string::npos) << text;
  Keys known;
  std::istringstream words(text.substr(at + 7));
  for (std::string word; words >> word;) {
    known.insert(word.ends_with(',') ? word.substr(0, word.size() - 1) : word);
  }
  return known;
}

/// \return the keys that are read at `path`, whatever `kind:` stands there (of those given).
Keys ReadKeys(const Path& path, const Keys& kinds = {}) {
  const ConfigValue nonsense(std::string("1"));
  if (kinds.empty()) return Known(ReadAll(Nested(path, {{"nonsense", nonsense}})));
  Keys all;
  for (const std::string& kind : kinds) {
    all.merge(Known(ReadAll(Nested(path, {{"kind", ConfigValue(kind)}, {"nonsense", nonsense}}))));
  }
  return all;
}

Keys Kinds(const Path& path) {
  return Known(ReadAll(Nested(path, {{"kind", ConfigValue("nonsense")}})));
}

/// \return the keys of one rule of a faulty decorator.
Keys RuleKeys(const Path& path) {
  const ConfigValue rule(Map{{"nonsense", ConfigValue("1")}});
  return Known(ReadAll(Nested(
      path, {{"kind", ConfigValue("faulty")}, {"rules", ConfigValue(ConfigValue::List{rule})}})));
}

auto Members(const NodeConfig& config) {
  const gcs::ServerConfig& gcs = config.gcs;
  const raylet::RayletConfig& raylet = config.raylet;
  const core_worker::CoreWorkerConfig& core = config.core_worker;
  return std::tie(config.address, config.head_address, config.token_file, config.log_level,
                  config.gcs_reconnect_window, config.gcs_port, gcs.heartbeat_period,
                  gcs.heartbeat_timeout, gcs.reconnect_grace, gcs.value_bytes_max,
                  gcs.dead_nodes_kept_max, gcs.finished_jobs_kept_max, gcs.worker_deaths_kept_max,
                  gcs.deltas_queued_max, gcs.subscription_keys_max, config.worker_kind,
                  raylet.labels, raylet.prestart_workers, raylet.workers_max,
                  raylet.worker_idle_max, raylet.worker_start_timeout, raylet.infeasible_grace,
                  raylet.inline_bytes_max, raylet.lease_share, raylet.lease_orphan_grace,
                  core.lease_requests_max, core.pipeline_tasks_max, core.pipeline_time,
                  core.lease_idle_max, core.lineage_bytes_max, core.reconstructions_max);
}

auto Members(const object_store::StoreParts& parts) {
  const object_store::PullOptions& pulls = parts.pulls;
  return std::tuple(parts.store->Name(), parts.store->Usage().capacity_bytes,
                    parts.creates.create_wait_max, parts.creates.creates_waiting_max,
                    pulls.chunk_bytes, pulls.chunks_in_flight, pulls.bytes_in_flight_max);
}

auto Members(const sim::SimConfig& config) {
  std::vector<std::int64_t> ranges;
  for (const sim::Range& range :
       {config.nodes, config.cpus, config.latency_us, config.inline_bytes_max, config.drivers,
        config.tasks, config.task_time_us, config.value_bytes, config.max_retries,
        config.worker_kills, config.node_kills, config.driver_kills, config.partitions,
        config.partition_time_us, config.restart_after_us}) {
    ranges.push_back(range.min);
    ranges.push_back(range.max);
  }
  return std::tuple(ranges, config.no_retry_share, config.shapes, config.window,
                    config.liveness_max, config.quiet_max, config.check_every);
}

TEST(HeadYamlTest, HasExactlyTheKeysThatAreRead) {
  const ConfigValue manual = Manual("head.yaml");
  for (const Path& path :
       {Path{}, Path{"node"}, Path{"node", "resources"}, Path{"gcs"}, Path{"workers"},
        Path{"core_worker"}, Path{"leases"}, Path{"object_store", "transfer"}}) {
    EXPECT_EQ(KeysAt(manual, path), ReadKeys(path)) << ::testing::PrintToString(path);
  }
  for (const Path& path :
       {Path{"gcs", "storage"}, Path{"scheduler"}, Path{"scheduler", "policy"},
        Path{"object_store"}, Path{"object_store", "eviction"}, Path{"transport"}}) {
    EXPECT_EQ(KeysAt(manual, path), ReadKeys(path, Kinds(path))) << ::testing::PrintToString(path);
  }
  for (const Path& path : {Path{"gcs", "storage"}, Path{"transport"}}) {
    Path rules = path;
    rules.emplace_back("rules");
    EXPECT_EQ(KeysAt(manual, rules), RuleKeys(path)) << ::testing::PrintToString(path);
  }
}

TEST(HeadYamlTest, NamesEveryKind) {
  std::ifstream stream(PathOf("head.yaml"));
  const std::string text(std::istreambuf_iterator<char>(stream), {});
  for (const Path& path : {Path{"gcs", "storage"}, Path{"scheduler"}, Path{"scheduler", "policy"},
                           Path{"object_store"}, Path{"object_store", "eviction"}}) {
    for (const std::string& kind : Kinds(path)) EXPECT_THAT(text, ::testing::HasSubstr(kind));
  }
}

TEST(HeadYamlTest, ShowsTheTrueDefaults) {
  const Result<NodeConfig> shown = LoadNodeConfig(PathOf("head.yaml"));
  ASSERT_TRUE(shown) << shown.error().ToString();
  const Result<NodeConfig> usual = ReadNodeConfig(ConfigValue(), "test");
  EXPECT_EQ(Members(*usual), Members(*shown));
  EXPECT_EQ(usual->is_head, shown->is_head);
  EXPECT_EQ(shown->raylet.resources, usual->raylet.resources);
  ASSERT_TRUE(ReadAll(*LoadYaml(PathOf("head.yaml"))));

  EXPECT_EQ(Members(*object_store::MakeStore(shown->object_store)),
            Members(*object_store::MakeStore(ConfigValue())));
  EXPECT_EQ(
      raylet::MakeScheduler(shown->scheduler, scheduler::NodeView(), Random(1)).value()->Name(),
      raylet::MakeScheduler(ConfigValue(), scheduler::NodeView(), Random(1)).value()->Name());
}

TEST(HeadYamlTest, TheOtherFilesOfANodeAreReadToo) {
  for (const std::string_view file : {"worker.yaml", "laptop.yaml"}) {
    const Result<ConfigValue> root = LoadYaml(PathOf(file));
    ASSERT_TRUE(root) << root.error().ToString();
    const Result<void> read = ReadAll(*root);
    EXPECT_TRUE(read) << file << ": " << read.error().ToString();
  }
}

TEST(HeadYamlTest, ATextWhereAMapBelongsIsAnErrorAndNotTheDefault) {
  for (const Path& path : {Path{"gcs", "storage"}, Path{"scheduler"}, Path{"scheduler", "policy"},
                           Path{"object_store"}, Path{"object_store", "transfer"},
                           Path{"transport"}, Path{"workers"}}) {
    const Path above(path.begin(), path.end() - 1);
    const Result<void> read = ReadAll(Nested(above, {{path.back(), ConfigValue("nonsense")}}));
    ASSERT_FALSE(read) << ::testing::PrintToString(path);
    EXPECT_THAT(read.error().ToString(),
                ::testing::HasSubstr("is a text; a map of keys is wanted"));
  }
}

TEST(ObjectStoreKeysTest, BoundsAreTypedAndReachTheirOptions) {
  const auto root = ParseYaml(
      "{ kind: heap, create_wait_max: 3s, creates_waiting_max: 7,"
      " transfer: { chunk: 1MiB, chunks_in_flight: 2, bytes_in_flight_max: 8MiB } }",
      "test");
  const Result<object_store::StoreParts> parts = object_store::MakeStore(*root);
  ASSERT_TRUE(parts) << parts.error().ToString();
  EXPECT_EQ(parts->creates.create_wait_max, std::chrono::seconds(3));
  EXPECT_EQ(parts->creates.creates_waiting_max, 7U);
  EXPECT_EQ(parts->pulls.chunk_bytes, 1U << 20);
  EXPECT_EQ(parts->pulls.chunks_in_flight, 2U);
  EXPECT_EQ(parts->pulls.bytes_in_flight_max, 8U << 20);

  const auto refused = [](std::string_view yaml) {
    const Result<object_store::StoreParts> made = object_store::MakeStore(*ParseYaml(yaml, "test"));
    return made ? std::string("accepted") : made.error().ToString();
  };
  EXPECT_EQ(refused("{ kind: heap, eviction: { kind: largest_first, among: 3 } }"), "accepted");
  EXPECT_THAT(refused("{ eviction: { kind: largest_first, among: 0 } }"),
              ::testing::HasSubstr("object_store.eviction.among (line 1) is '0'"));
  EXPECT_THAT(refused("{ eviction: { kind: lru, among: 3 } }"), ::testing::HasSubstr("among"));
  EXPECT_THAT(refused("{ create_wait_max: soon }"), ::testing::HasSubstr("soon"));
  EXPECT_THAT(refused("{ transfer: { chunk: 17MiB } }"), ::testing::HasSubstr("16 MiB"));
  EXPECT_THAT(refused("{ transfer: { chunks: 2 } }"), ::testing::HasSubstr("chunks_in_flight"));
}

TEST(SimYamlTest, HasExactlyTheKeysThatAreReadAndTheTrueDefaults) {
  const ConfigValue manual = Manual("sim.yaml");
  for (const Path& path : {Path{}, Path{"cluster"}, Path{"work"}, Path{"faults"}, Path{"bounds"}}) {
    const auto outcome = ReadAllOfSim(Nested(path, {{"nonsense", ConfigValue("1")}}));
    EXPECT_EQ(KeysAt(manual, path), Known(outcome)) << ::testing::PrintToString(path);
  }
  const auto shown = sim::LoadSimConfig(PathOf("sim.yaml"));
  ASSERT_TRUE(shown) << shown.error().ToString();
  EXPECT_EQ(Members(sim::SimConfig()), Members(*shown));
}

}  // namespace
}  // namespace mobula::node
