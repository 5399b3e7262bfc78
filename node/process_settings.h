/// \file
/// \edge
/// \brief What the drivers and workers of a node learn from its YAML file, and how it reaches them.
///
/// A process must know its transports before it connects to anybody, so it cannot ask for them. The
/// sections `transport:`, `local_transport:` and `core_worker:` therefore travel as one YAML text:
/// to a worker with the request that starts it, to a driver with what the GCS knows of its node.
#pragma once

#include <string>

#include "components/base/config_value.h"
#include "components/core_worker/core_worker_config.h"

namespace mobula::node {

/// The sections `transport:` and `local_transport:` of a node; without a kind: tcp, shared_memory.
struct TransportConfig {
  ConfigValue remote;
  ConfigValue local;
};

/// The same for every process of a node.
struct ProcessSettings {
  TransportConfig transport;
  core_worker::CoreWorkerConfig core_worker;
};

/// Longer texts are refused: they travel in every record of the node and every start of a worker.
inline constexpr std::size_t kProcessSettingsBytesMax = 16 << 10;

/// Reads the three sections of a node's file. kInvalidArgument names the first wrong key.
[[nodiscard]] Result<ProcessSettings> ReadProcessSettings(ConfigReader& root);
/// \return the same sections as a text for `ParseProcessSettings`; empty if the file has none of
///         them. kInvalidArgument if it is too long.
[[nodiscard]] Result<std::string> FormatProcessSettings(const ConfigValue& root);
/// \param text empty: the defaults.
[[nodiscard]] Result<ProcessSettings> ParseProcessSettings(const std::string& text);

}  // namespace mobula::node
