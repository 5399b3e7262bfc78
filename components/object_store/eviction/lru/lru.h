/// \file
/// \brief Eviction policy `lru`: the copy that has not been used for longest goes first.
///
/// Adding is using: the store adds an object again when its last pin goes. Keys: none. Cost:
/// constant.
#pragma once

#include "components/object_store/eviction_policy.h"

namespace mobula::object_store {

[[nodiscard]] Result<std::unique_ptr<EvictionPolicy>> MakeLru(
    ConfigReader& config, const EvictionPolicy::Context& context);

inline constexpr Kind<EvictionPolicy> kLru{"lru", MakeLru};

}  // namespace mobula::object_store
