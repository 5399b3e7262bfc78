/// \file
/// \brief Which object stores and eviction policies exist, and how YAML makes one.
#pragma once

#include <functional>
#include <memory>

#include "components/base/config_value.h"
#include "components/base/registry.h"
#include "components/object_store/eviction_policy.h"
#include "components/object_store/object_store.h"

namespace mobula::object_store {

using EvictionPolicyMaker = std::function<std::unique_ptr<EvictionPolicy>()>;
/// Reads the keys of its kind (`capacity`, …) from the same map that named it.
using ObjectStoreMaker = std::function<Result<std::unique_ptr<ObjectStore>>(
    ConfigReader&, std::unique_ptr<EvictionPolicy>)>;

/// Everything that may be named below `object_store:`.
struct ObjectStoreKinds {
  Registry<EvictionPolicyMaker> policies{"eviction policy"};
  Registry<ObjectStoreMaker> stores{"object store"};
};

/// Adds the built-in kinds: stores heap, shared_memory; policies lru, fifo.
void RegisterObjectStores(ObjectStoreKinds& kinds);

/// Builds what the map describes: `{kind: shared_memory, capacity: 512MiB, eviction: {kind: lru}}`.
/// The caller has read its own keys (CreateQueueOptions, PullOptions) from the same reader: here it
/// is finished. kInvalidArgument for an unknown kind or key; the errors of the kind itself, such
/// as kResourceExhausted when the machine has not that much memory.
[[nodiscard]] Result<std::unique_ptr<ObjectStore>> MakeObjectStore(ConfigReader& reader,
                                                                   const ObjectStoreKinds& kinds);

}  // namespace mobula::object_store
