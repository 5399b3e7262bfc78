/// \file
/// \brief What a node's YAML file says, as typed values. The only place that reads YAML.
///
/// Every key, its default and its meaning stands in node/config/head.yaml, which is the manual.
/// Components get their own part as `ConfigValue` and check it themselves; an unknown key anywhere
/// is an error that lists the known ones with the line it stands on.
#pragma once

#include <string>

#include "components/base/config_value.h"
#include "components/base/event_log.h"
#include "components/gcs/server.h"
#include "components/raylet/raylet_config.h"
#include "node/process_settings.h"

namespace mobula::node {

/// One node's settings, with defaults filled in.
struct NodeConfig {
  // node:
  bool is_head = false;
  std::string address = "127.0.0.1";  ///< Where this node listens; others reach it there.
  std::string head_address;           ///< Workers: "host:port" of the head.
  std::string token_file;             ///< Empty: ~/.mobula/token.
  LogLevel log_level = LogLevel::kInfo;
  Duration gcs_reconnect_window = std::chrono::seconds(60);  ///< Then the node ends.
  // gcs:
  std::uint16_t gcs_port = 6379;
  ConfigValue gcs_storage;  ///< kind: memory
  gcs::ServerConfig gcs;
  // scheduler:, object_store:
  ConfigValue scheduler;
  ConfigValue object_store;
  // transport:, local_transport:, core_worker: the node's own transports, and all of it as the text
  // that its drivers and workers are given.
  TransportConfig transport;
  core_worker::CoreWorkerConfig core_worker;
  std::string process_settings;
  // workers:
  std::string worker_kind = "zygote";  ///< "zygote" or "thread".
  /// Resources, labels, `workers:`. The rest is filled in by `Node`.
  raylet::RayletConfig raylet;
};

/// \return the level that "error", "info" or "debug" names. kInvalidArgument with these otherwise.
[[nodiscard]] Result<LogLevel> ParseLogLevel(std::string_view name);

/// \return the tree of a YAML text. kInvalidArgument with file, line and cause otherwise.
[[nodiscard]] Result<ConfigValue> ParseYaml(std::string_view text, std::string_view name);
/// \return `text` in quotes, as `ParseYaml` reads it back, whatever is in it.
[[nodiscard]] std::string QuotedYaml(std::string_view text);

/// Reads a YAML file. kInvalidArgument if it cannot be read, and as `ParseYaml`.
[[nodiscard]] Result<ConfigValue> LoadYaml(const std::string& path);

/// \return the settings in `root`. kInvalidArgument names the first wrong key, its line and value,
///         and what would be right. \param name the file, for messages.
[[nodiscard]] Result<NodeConfig> ReadNodeConfig(const ConfigValue& root, std::string_view name);

/// Reads and checks a file. kInvalidArgument also if it cannot be read.
[[nodiscard]] Result<NodeConfig> LoadNodeConfig(const std::string& path);

/// \return CPUs and memory of this machine: what a node has unless its configuration says else.
[[nodiscard]] ResourceSet MachineResources();

}  // namespace mobula::node
