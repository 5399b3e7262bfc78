/// \file
/// \brief The built-in eviction policies.
#pragma once

#include <memory>

#include "components/object_store/eviction_policy.h"

namespace mobula::object_store {

/// `lru`: what has not been used for longest goes first. Adding is using: the store adds an object
/// again when its last pin goes. Cost: constant.
[[nodiscard]] std::unique_ptr<EvictionPolicy> MakeLruPolicy();
/// `fifo`: what was created first goes first, however often it is used. Cost: logarithmic.
[[nodiscard]] std::unique_ptr<EvictionPolicy> MakeFifoPolicy();

}  // namespace mobula::object_store
