/// \file
/// \brief Kind `shared_memory`: objects in one memfd that every process of the node maps.
///
/// The whole capacity is reserved as address space up front and sealed against resizing, so no
/// peer can pull pages from under a reader (SIGBUS). Pages come into being when first used, so an
/// idle store is small. Descriptor, mapping and bookkeeping belong to the raylet; nothing is left
/// behind by a crash, because the kernel frees a memfd with its last user.
#pragma once

#include <cstdint>
#include <memory>

#include "components/object_store/eviction_policy.h"
#include "components/object_store/object_store.h"

namespace mobula::object_store {

enum class Populate : std::uint8_t {
  kLazy,   ///< Pages are filled in bulk when a block is handed out.
  kAhead,  ///< A thread also stays a step ahead of what was ever used (populator.h).
};

struct SharedMemoryOptions {
  std::uint64_t capacity_bytes = 512ULL << 20;
  Populate populate = Populate::kLazy;
};

/// \return a store over fresh shared memory. kResourceExhausted when the capacity is above what the
///         machine or its control group has available now, with both numbers; kInternal with the
///         system's text; kInvalidArgument for a capacity of zero.
[[nodiscard]] Result<std::unique_ptr<ObjectStore>> MakeSharedMemoryStore(
    const SharedMemoryOptions& options, std::unique_ptr<EvictionPolicy> policy);

}  // namespace mobula::object_store
