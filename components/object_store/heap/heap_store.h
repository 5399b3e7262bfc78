/// \file
/// \brief Kind `heap`: objects in the raylet's own memory; bytes reach workers by message.
///
/// The simple one, for simulation and embedded clusters, and the baseline to measure against.
#pragma once

#include <memory>

#include "components/object_store/eviction_policy.h"
#include "components/object_store/object_store.h"

namespace mobula::object_store {

/// \return a store of at most `capacity_bytes`; memory is taken from the process object by object.
[[nodiscard]] std::unique_ptr<ObjectStore> MakeHeapStore(std::uint64_t capacity_bytes,
                                                         std::unique_ptr<EvictionPolicy> policy);

}  // namespace mobula::object_store
