/// \file
/// \brief The storage kinds that YAML may name under `gcs: storage:`.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "components/base/config_value.h"
#include "components/base/event_loop.h"
#include "components/base/random.h"
#include "components/base/registry.h"
#include "components/gcs/storage.h"

namespace mobula::gcs {

struct StorageContext;

/// Builds one kind from its map in the configuration, which it reads to the last key.
using StorageMaker = std::function<Result<std::unique_ptr<Storage>>(const ConfigValue& config,
                                                                    const StorageContext& context)>;

/// What makers are given. `loop` outlives the storage; the registry outlives the call only.
struct StorageContext {
  EventLoop& loop;
  Random random;
  const Registry<StorageMaker>& registry;  ///< For decorators, which build an inner one.
  std::string path = "gcs.storage";        ///< Where `config` stands, for messages.
};

/// \return a registry of the built-in kinds: faulty, memory.
[[nodiscard]] Registry<StorageMaker> BuiltInStorages();

/// Builds the storage that `config` names by its `kind` (default: memory). kInvalidArgument names
/// the wrong key, or the kinds there are.
[[nodiscard]] Result<std::unique_ptr<Storage>> MakeStorage(const ConfigValue& config,
                                                           const StorageContext& context);

}  // namespace mobula::gcs
