#include "sim/sim_config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "node/config.h"

namespace mobula::sim {
namespace {

Result<std::int64_t> ParseCount(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    return Fail(ErrorCode::kInvalidArgument, "'{}' is not a number, such as 5", text);
  }
  return value;
}
Result<std::int64_t> ParseBytes(std::string_view text) {
  Result<std::uint64_t> bytes = ParseSize(text);
  if (!bytes) return Fail(std::move(bytes.error()));
  return static_cast<std::int64_t>(*bytes);
}
Result<std::int64_t> ParseMicroseconds(std::string_view text) {
  Result<Duration> time = ParseTime(text);
  if (!time) return Fail(std::move(time.error()));
  return std::chrono::duration_cast<std::chrono::microseconds>(*time).count();
}

/// Reads `5` or `3..5`.
template <typename Parse>
void ReadRange(ConfigReader& reader, std::string_view key, Parse parse, std::int64_t min,
               Range& range) {
  const std::string text = reader.Text(key, "");
  if (text.empty()) return;
  const std::size_t dots = text.find("..");
  const std::string_view whole = text;
  Result<std::int64_t> from = parse(whole.substr(0, dots));
  Result<std::int64_t> to = dots == std::string::npos ? from : parse(whole.substr(dots + 2));
  if (!from) return reader.Reject(key, from.error().message());
  if (!to) return reader.Reject(key, to.error().message());
  if (*from > *to || *from < min) {
    return reader.Reject(key, "is '{}'; a range goes up, from {} or more", text, min);
  }
  range = {*from, *to};
}

void ReadCluster(ConfigReader& reader, SimConfig& config) {
  ReadRange(reader, "nodes", ParseCount, 1, config.nodes);
  ReadRange(reader, "cpus", ParseCount, 1, config.cpus);
  ReadRange(reader, "disks", ParseCount, 0, config.disks);
  ReadRange(reader, "late_nodes", ParseCount, 0, config.late_nodes);
  ReadRange(reader, "latency", ParseMicroseconds, 1, config.latency_us);
  ReadRange(reader, "inline_bytes_max", ParseBytes, 0, config.inline_bytes_max);
}

void ReadWork(ConfigReader& reader, SimConfig& config) {
  ReadRange(reader, "drivers", ParseCount, 1, config.drivers);
  ReadRange(reader, "tasks", ParseCount, 1, config.tasks);
  ReadRange(reader, "task_time", ParseMicroseconds, 0, config.task_time_us);
  ReadRange(reader, "value_bytes", ParseBytes, 0, config.value_bytes);
  ReadRange(reader, "max_retries", ParseCount, 0, config.max_retries);
  config.no_retry_share = reader.Number("no_retry_share", config.no_retry_share, 0, 1);
  config.other_amounts_share =
      reader.Number("other_amounts_share", config.other_amounts_share, 0, 1);
  // Weights and not shares: a plan that names one shape runs only that.
  if (auto shapes = reader.NumberMap("shapes"); !shapes.empty()) config.shapes = std::move(shapes);
  for (const auto& [shape, weight] : config.shapes) {
    if (std::ranges::find(kShapes, shape) == std::end(kShapes)) {
      reader.Reject("shapes", "has '{}'; known: {}", shape, fmt::join(kShapes, ", "));
    }
  }
}

void ReadFaults(ConfigReader& reader, SimConfig& config) {
  config.window = reader.Time("window", config.window);
  ReadRange(reader, "worker_kills", ParseCount, 0, config.worker_kills);
  ReadRange(reader, "node_kills", ParseCount, 0, config.node_kills);
  ReadRange(reader, "driver_kills", ParseCount, 0, config.driver_kills);
  ReadRange(reader, "partitions", ParseCount, 0, config.partitions);
  ReadRange(reader, "partition_time", ParseMicroseconds, 1, config.partition_time_us);
  ReadRange(reader, "restart_after", ParseMicroseconds, 1, config.restart_after_us);
}

/// \return what each node has of one resource: "2,1,4".
std::string AmountsOf(const SimOptions& options, std::string_view name) {
  std::string text;
  for (std::int64_t place = 0; place < options.nodes; ++place) {
    if (place > 0) text += ',';
    text += ResourcesOf(options, place).Get(name).ToString();
  }
  return text;
}

}  // namespace

Result<SimConfig> ReadSimConfig(const ConfigValue& root) {
  SimConfig config;
  ConfigReader top(root, "");
  ConfigReader cluster(top.Child("cluster"), "cluster");
  ConfigReader work(top.Child("work"), "work");
  ConfigReader faults(top.Child("faults"), "faults");
  ConfigReader bounds(top.Child("bounds"), "bounds");
  ConfigReader gcs(top.Child("gcs"), "gcs");
  config.scheduler = top.Child("scheduler");
  config.object_store = top.Child("object_store");
  config.gcs_storage = gcs.Child("storage");
  ReadCluster(cluster, config);
  ReadWork(work, config);
  ReadFaults(faults, config);
  config.liveness_max = bounds.Time("liveness", config.liveness_max);
  config.quiet_max = bounds.Time("quiet", config.quiet_max);
  config.check_every = bounds.Integer("check_every", config.check_every, 1, 1'000'000'000);
  // Readers complain only now, when all keys were looked at, so that an error can list the known
  // ones.
  for (const ConfigReader* reader : {&top, &cluster, &work, &faults, &bounds, &gcs}) {
    if (Result<void> done = reader->Finish(); !done) return Fail(std::move(done.error()));
  }
  return config;
}

Result<SimConfig> LoadSimConfig(const std::string& path) {
  Result<ConfigValue> root = node::LoadYaml(path);
  if (!root) return Fail(std::move(root.error()));
  Result<SimConfig> config = ReadSimConfig(*root);
  if (!config) return Fail(std::move(config.error()).Context(path));
  return config;
}

SimOptions DrawOptions(const SimConfig& config, std::uint64_t seed) {
  // From a stream of its own, and always in this order: what is drawn later in the run does not
  // depend on how many options there are, and an old seed keeps its run as long as none is inserted
  // above it.
  Random random = Random(seed).Fork("options");
  SimOptions options;
  options.seed = seed;
  options.nodes = config.nodes.Draw(random);
  options.cpus = config.cpus;
  options.disks = config.disks;
  options.latency_us = config.latency_us.Draw(random);
  options.inline_bytes_max = config.inline_bytes_max.Draw(random);
  options.drivers = config.drivers.Draw(random);
  options.tasks = config.tasks.Draw(random);
  options.worker_kills = config.worker_kills.Draw(random);
  options.node_kills = config.node_kills.Draw(random);
  options.driver_kills = config.driver_kills.Draw(random);
  options.partitions = config.partitions.Draw(random);
  options.late_nodes = config.late_nodes.Draw(random);
  return options;
}

std::string SimOptions::ToString() const {
  return fmt::format(
      "seed={} nodes={} cpus={} disks={} latency={}us inline_bytes_max={} drivers={} tasks={} "
      "worker_kills={} node_kills={} driver_kills={} partitions={} late_nodes={}",
      seed, nodes, AmountsOf(*this, kCpu), AmountsOf(*this, kDisk), latency_us, inline_bytes_max,
      drivers, tasks, worker_kills, node_kills, driver_kills, partitions, late_nodes);
}

ResourceSet ResourcesOf(const SimOptions& options, std::int64_t place) {
  // By place and not by node: the node that takes the place of a dead one has the same.
  Random random = Random(options.seed).Fork(fmt::format("resources {}", place));
  ResourceSet resources;
  const auto set = [&](std::string_view name, const Range& range) {
    resources.Set(std::string(name), Amount::FromDouble(static_cast<double>(range.Draw(random))));
  };
  set(kCpu, options.cpus);
  set(kDisk, options.disks);
  return resources;
}

ResourceSet LateResources() { return {{std::string(kCpu), 1}, {std::string(kLate), 1}}; }

}  // namespace mobula::sim
