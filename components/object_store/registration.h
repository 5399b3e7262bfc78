/// \file
/// \edge
/// \brief Which object stores and eviction policies can be named in YAML.
///
///     const Kinds<EvictionPolicy> evictions = BuiltInEvictionPolicies();
///     auto store = BuiltInStores().Make(reader, "shared_memory", {.evictions = evictions});
///
/// `reader` is that of the whole `object_store:` map. Read CreateQueueOptions and PullOptions from
/// it first: a store reads the keys of its kind, and then nothing may be left.
#pragma once

#include "components/base/kinds.h"
#include "components/object_store/eviction_policy.h"
#include "components/object_store/object_store.h"

namespace mobula::object_store {

/// \return the kinds of `object_store:`.
[[nodiscard]] Kinds<ObjectStore> BuiltInStores();
/// \return the kinds of `object_store.eviction:`.
[[nodiscard]] Kinds<EvictionPolicy> BuiltInEvictionPolicies();

}  // namespace mobula::object_store
