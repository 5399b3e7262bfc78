/// \file
/// \brief Object store `heap`: objects in the raylet's own memory; bytes reach workers by message.
///
/// The simple one, for simulation and embedded clusters, and the baseline to measure against.
/// Memory is taken from the process object by object. Keys: `capacity`, `eviction`.
#pragma once

#include "components/object_store/object_store.h"

namespace mobula::object_store {

/// Errors: those of the eviction policy.
[[nodiscard]] Result<std::unique_ptr<ObjectStore>> MakeHeapStore(
    ConfigReader& config, const ObjectStore::Context& context);

inline constexpr Kind<ObjectStore> kHeap{"heap", MakeHeapStore};

}  // namespace mobula::object_store
