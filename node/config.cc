// \edge: reads keys from YAML, one after the other
#include "node/config.h"

#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <thread>

#include "components/base/real/file_system.h"

namespace mobula::node {
namespace {

constexpr std::uint64_t kConfigBytesMax = 1 << 20;

ConfigValue Convert(const YAML::Node& node) {
  const int line = node.Mark().line + 1;
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null: return {};
    case YAML::NodeType::Scalar: return ConfigValue(node.Scalar(), line);
    case YAML::NodeType::Sequence: {
      ConfigValue::List list;
      for (const auto& item : node) list.push_back(Convert(item));
      return ConfigValue(std::move(list), line);
    }
    case YAML::NodeType::Map: {
      ConfigValue::Map map;
      for (const auto& item : node) {
        if (!item.first.IsScalar()) throw YAML::Exception(item.first.Mark(), "a key is a text");
        // yaml-cpp lets this pass, but one of the two is a mistake.
        if (!map.emplace(item.first.Scalar(), Convert(item.second)).second) {
          throw YAML::Exception(item.first.Mark(), item.first.Scalar() + " is there twice");
        }
      }
      return ConfigValue(std::move(map), line);
    }
  }
  return {};
}

Result<void> ReadNode(const ConfigValue& value, NodeConfig& config) {
  ConfigReader reader(value, "node");
  const std::string role = reader.Text("role", "head");
  if (role != "head" && role != "worker") {
    reader.Reject("role", "is '" + role + "'; known: head, worker");
  }
  config.is_head = role == "head";
  config.address = reader.Text("address", config.address);
  // The address is also what others are told. Listening everywhere would tell them nothing.
  if (config.address == "0.0.0.0" || config.address == "::") {
    reader.Reject("address", "is '" + config.address +
                                 "'; others reach the node there: an address of this machine is "
                                 "wanted, such as 10.0.0.5");
  }
  config.head_address = reader.Text("head", "");
  if (!config.is_head && config.head_address.empty()) {
    reader.Reject("head",
                  "is missing: a worker node needs the head's address, such as "
                  "10.0.0.5:6379");
  }
  config.token_file = reader.Text("token_file", "");
  config.raylet.labels = reader.TextMap("labels");
  config.gcs_reconnect_window = reader.Time("gcs_reconnect_window", config.gcs_reconnect_window);
  const Result<LogLevel> level = ParseLogLevel(reader.Text("log_level", "info"));
  if (!level) reader.Reject("log_level", level.error().message());
  config.log_level = level.value_or(LogLevel::kInfo);
  // What the file names replaces what was found on the machine, amount by amount.
  ConfigReader resources(reader.Child("resources"), "node.resources");
  if (resources.Has("cpu")) {
    config.raylet.resources.Set(kCpu, Amount::FromDouble(resources.Number("cpu", 0, 0, 1e6)));
  }
  if (resources.Has("gpu")) {
    config.raylet.resources.Set(kGpu, Amount::FromDouble(resources.Number("gpu", 0, 0, 1e6)));
  }
  if (resources.Has("memory")) {
    config.raylet.resources.Set(
        kMemory, Amount::FromDouble(static_cast<double>(resources.Size("memory", 0))));
  }
  for (const auto& [name, amount] : resources.NumberMap("custom")) {
    if (amount < 0 || name.empty() || name == kCpu || name == kGpu || name == kMemory) {
      resources.Reject("custom",
                       "has {} of '{}'; a number of 0 or more is wanted, and "
                       "cpu, gpu and memory are keys of their own",
                       amount, name);
    }
    config.raylet.resources.Set(name, Amount::FromDouble(amount));
  }
  if (Result<void> fine = resources.Finish(); !fine) return fine;
  return reader.Finish();
}

Result<void> ReadGcs(const ConfigValue& value, NodeConfig& config) {
  ConfigReader reader(value, "gcs");
  config.gcs_port = reader.Integer("port", config.gcs_port, 0, 65535);
  config.gcs_storage = reader.Child("storage");
  gcs::ServerConfig& gcs = config.gcs;
  gcs.heartbeat_period = reader.Time("heartbeat_period", gcs.heartbeat_period);
  gcs.heartbeat_timeout = reader.Time("heartbeat_timeout", gcs.heartbeat_timeout);
  if (gcs.heartbeat_period < std::chrono::milliseconds(1)) {
    reader.Reject("heartbeat_period", "is less than 1ms");
  }
  // With such a timeout each node would be dead before its next heartbeat could come.
  if (gcs.heartbeat_timeout <= gcs.heartbeat_period) {
    reader.Reject("heartbeat_timeout", "is not more than gcs.heartbeat_period: every node is dead");
  }
  gcs.reconnect_grace = reader.Time("reconnect_grace", gcs.reconnect_grace);
  gcs.value_bytes_max = reader.Size("value_bytes_max", gcs.value_bytes_max);
  gcs.values_bytes_max = reader.Size("values_max", gcs.values_bytes_max);
  const auto count = [&](std::string_view key, std::size_t& most) {
    most = reader.Integer(key, most, 1, 1'000'000'000);
  };
  count("dead_nodes_kept_max", gcs.dead_nodes_kept_max);
  count("finished_jobs_kept_max", gcs.finished_jobs_kept_max);
  count("worker_deaths_kept_max", gcs.worker_deaths_kept_max);
  count("deltas_queued_max", gcs.deltas_queued_max);
  count("subscription_keys_max", gcs.subscription_keys_max);
  return reader.Finish();
}

Result<void> ReadWorkers(const ConfigValue& value, NodeConfig& config) {
  ConfigReader reader(value, "workers");
  config.worker_kind = reader.Text("kind", config.worker_kind);
  if (config.worker_kind != "zygote" && config.worker_kind != "thread") {
    reader.Reject("kind", "is '" + config.worker_kind + "'; known: thread, zygote");
  }
  raylet::RayletConfig& raylet = config.raylet;
  raylet.prestart_workers = reader.Integer("prestart", raylet.prestart_workers, 0, 10'000);
  raylet.workers_max = reader.Integer("max", raylet.workers_max, 1, 100'000);
  if (raylet.prestart_workers > raylet.workers_max) {
    reader.Reject("prestart", "is {}, more than workers.max, {}", raylet.prestart_workers,
                  raylet.workers_max);
  }
  raylet.worker_idle_max = reader.Time("idle_max", raylet.worker_idle_max);
  raylet.worker_start_timeout = reader.Time("start_timeout", raylet.worker_start_timeout);
  raylet.infeasible_grace = reader.Time("infeasible_grace", raylet.infeasible_grace);
  raylet.inline_bytes_max = reader.Size("inline_bytes_max", raylet.inline_bytes_max);
  return reader.Finish();
}

Result<void> ReadLeases(const ConfigValue& value, NodeConfig& config) {
  ConfigReader reader(value, "leases");
  raylet::RayletConfig& raylet = config.raylet;
  raylet.lease_share = reader.Time("share", raylet.lease_share);
  raylet.lease_orphan_grace = reader.Time("orphan_grace", raylet.lease_orphan_grace);
  return reader.Finish();
}

Result<void> ReadProcesses(ConfigReader& reader, const ConfigValue& root, NodeConfig& config) {
  Result<ProcessSettings> settings = ReadProcessSettings(reader);
  if (!settings) return Fail(std::move(settings.error()));
  Result<std::string> text = FormatProcessSettings(root);
  if (!text) return Fail(std::move(text.error()));
  // The node reads these sections for itself, and passes their text on to the processes that it
  // starts: both ends of a connection must speak the same transport.
  config.transport = std::move(settings->transport);
  config.core_worker = settings->core_worker;
  config.process_settings = std::move(*text);
  return {};
}

}  // namespace

Result<LogLevel> ParseLogLevel(std::string_view name) {
  if (name == "error") return LogLevel::kError;
  if (name == "info") return LogLevel::kInfo;
  if (name == "debug") return LogLevel::kDebug;
  return Fail(ErrorCode::kInvalidArgument, "is '{}'; known: error, info, debug", name);
}

Result<ConfigValue> ParseYaml(std::string_view text, std::string_view name) {
  try {  // yaml-cpp reports by exception; it ends here
    return Convert(YAML::Load(std::string(text)));
  } catch (const YAML::Exception& error) {
    return Fail(ErrorCode::kInvalidArgument, "{}:{}: not valid YAML: {}", name, error.mark.line + 1,
                error.msg);
  }
}

std::string QuotedYaml(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return quoted + '"';
}

Result<NodeConfig> ReadNodeConfig(const ConfigValue& root, std::string_view name) {
  NodeConfig config;
  // What the machine has is the default, of which the file replaces what it names.
  config.raylet.resources = MachineResources();
  const auto in_file = [&](Result<void> part) -> Result<void> {
    if (!part) return Fail(std::move(part.error()).Context(name));
    return {};
  };
  ConfigReader reader(root, "");
  Result<void> fine = in_file(ReadNode(reader.Child("node"), config));
  if (fine) fine = in_file(ReadGcs(reader.Child("gcs"), config));
  if (fine) fine = in_file(ReadWorkers(reader.Child("workers"), config));
  // Their keys depend on the kind, so the kind itself reads them when it is made.
  config.scheduler = reader.Child("scheduler");
  config.object_store = reader.Child("object_store");
  if (fine) fine = in_file(ReadLeases(reader.Child("leases"), config));
  if (fine) fine = in_file(ReadProcesses(reader, root, config));
  if (fine) fine = in_file(reader.Finish());
  if (!fine) return Fail(std::move(fine.error()));
  return config;
}

Result<ConfigValue> LoadYaml(const std::string& path) {
  const Result<std::string> text = RealFileSystem().Read(path, kConfigBytesMax);
  if (!text) {
    return Fail(ErrorCode::kInvalidArgument, "the configuration: {}", text.error().message());
  }
  return ParseYaml(*text, path);
}

Result<NodeConfig> LoadNodeConfig(const std::string& path) {
  Result<ConfigValue> root = LoadYaml(path);
  if (!root) return Fail(std::move(root.error()));
  return ReadNodeConfig(*root, path);
}

ResourceSet MachineResources() {
  const double bytes =
      static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * static_cast<double>(::sysconf(_SC_PAGESIZE));
  ResourceSet machine;
  machine.Set(kCpu, Amount::FromDouble(std::max(1U, std::thread::hardware_concurrency())));
  machine.Set(kMemory, Amount::FromDouble(bytes * 0.7));  // Ray's share
  return machine;
}

}  // namespace mobula::node
