/// \file
/// \brief Object store `shared_memory`: objects in one memfd that every process of the node maps.
///
/// The whole capacity is reserved as address space up front and sealed against resizing, so no
/// peer can pull pages from under a reader (SIGBUS). Pages come into being when first used, so an
/// idle store is small. Descriptor, mapping and bookkeeping belong to the raylet; nothing is left
/// behind by a crash, because the kernel frees a memfd with its last user.
/// Keys: `capacity`, `eviction`, and `populate`: `lazy` fills pages in bulk when a block is handed
/// out, `ahead` has a thread that also stays a step ahead of what was ever used (populator.h).
#pragma once

#include "components/object_store/object_store.h"

namespace mobula::object_store {

/// \return a store over fresh shared memory. kResourceExhausted when the capacity is above what the
///         machine or its control group has available now, with both numbers; kInternal with the
///         system's text; kInvalidArgument for a capacity of zero or a bad key.
[[nodiscard]] Result<std::unique_ptr<ObjectStore>> MakeSharedMemoryStore(
    ConfigReader& config, const ObjectStore::Context& context);

inline constexpr Kind<ObjectStore> kSharedMemory{"shared_memory", MakeSharedMemoryStore};

}  // namespace mobula::object_store
