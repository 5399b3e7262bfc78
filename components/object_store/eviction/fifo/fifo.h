/// \file
/// \edge
/// \brief Eviction policy `fifo`: the copy that was created first goes first, however much it is
/// used.
///
/// Keys: none. Cost: logarithmic.
#pragma once

#include "components/object_store/eviction_policy.h"

namespace mobula::object_store {

[[nodiscard]] Result<std::unique_ptr<EvictionPolicy>> MakeFifo(
    ConfigReader& config, const EvictionPolicy::Context& context);

inline constexpr Kind<EvictionPolicy> kFifo{"fifo", MakeFifo};

}  // namespace mobula::object_store
