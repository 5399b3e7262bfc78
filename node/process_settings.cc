#include "node/process_settings.h"

#include "node/config.h"

namespace mobula::node {
namespace {

constexpr std::string_view kSections[] = {"transport", "local_transport", "core_worker"};

/// Writes a value as YAML on one line, every scalar in quotes.
std::string FormatYaml(const ConfigValue& value) {
  std::string text;
  if (const std::string* scalar = value.scalar()) return QuotedYaml(*scalar);
  if (const ConfigValue::List* list = value.list()) {
    for (const ConfigValue& item : *list) {
      text += (text.empty() ? "" : ", ") + FormatYaml(item);
    }
    return "[" + text + "]";
  }
  if (const ConfigValue::Map* map = value.map()) {
    for (const auto& [key, item] : *map) {
      text += (text.empty() ? "" : ", ") + QuotedYaml(key) + ": " + FormatYaml(item);
    }
    return "{" + text + "}";
  }
  return "~";
}

Result<core_worker::CoreWorkerConfig> ReadCoreWorker(const ConfigValue& value) {
  ConfigReader reader(value, "core_worker");
  core_worker::CoreWorkerConfig config;
  config.lease_requests_max =
      reader.Integer("lease_requests_max", config.lease_requests_max, 1, 10'000);
  config.pipeline_tasks_max =
      reader.Integer("pipeline_tasks_max", config.pipeline_tasks_max, 1, 100'000);
  config.pipeline_time = reader.Time("pipeline_time", config.pipeline_time);
  config.lease_idle_max = reader.Time("lease_idle_max", config.lease_idle_max);
  config.lineage_bytes_max = reader.Size("lineage_bytes_max", config.lineage_bytes_max);
  config.reconstructions_max =
      reader.Integer("reconstructions_max", config.reconstructions_max, 0, 1'000'000);
  // A key that nobody has read is a mistake of the user, and the error lists those that there are.
  if (Result<void> fine = reader.Finish(); !fine) return Fail(std::move(fine.error()));
  return config;
}

}  // namespace

Result<ProcessSettings> ReadProcessSettings(ConfigReader& root) {
  ProcessSettings settings;
  // What stands in the transports' sections is read by their kinds, when they are made.
  settings.transport = {root.Child("transport"), root.Child("local_transport")};
  Result<core_worker::CoreWorkerConfig> core_worker = ReadCoreWorker(root.Child("core_worker"));
  if (!core_worker) return Fail(std::move(core_worker.error()));
  settings.core_worker = *core_worker;
  return settings;
}

Result<std::string> FormatProcessSettings(const ConfigValue& root) {
  // Only what the file says is sent on. Defaults are those of the process that reads it.
  ConfigValue::Map sections;
  for (const std::string_view section : kSections) {
    if (root.map() == nullptr) break;
    const auto it = root.map()->find(section);
    if (it != root.map()->end()) sections.emplace(section, it->second);
  }
  if (sections.empty()) return std::string();
  std::string text = FormatYaml(ConfigValue(std::move(sections)));
  // The text goes into the record of the node and every start of a worker, which have bounds too.
  if (text.size() > kProcessSettingsBytesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "transport, local_transport and core_worker are {} bytes together, allowed are {}: "
                "every process of the node is sent them",
                text.size(), kProcessSettingsBytesMax);
  }
  return text;
}

Result<ProcessSettings> ParseProcessSettings(const std::string& text) {
  // The node has read the same text before it sent it. An error here means that this process is of
  // another version.
  constexpr std::string_view kName = "the settings of this node's processes";
  Result<ConfigValue> root = ParseYaml(text, kName);
  if (!root) return Fail(std::move(root.error()));
  ConfigReader reader(*root, "");
  Result<ProcessSettings> settings = ReadProcessSettings(reader);
  if (!settings) return Fail(std::move(settings.error()).Context(kName));
  if (Result<void> fine = reader.Finish(); !fine)
    return Fail(std::move(fine.error()).Context(kName));
  return settings;
}

}  // namespace mobula::node
