/// \file
/// \edge
/// \brief Eviction policy `largest_first`: of the copies not used for longest, the largest goes.
///
/// One large object that goes makes the room for which `lru` would drop many small ones, and each
/// small one would cost a pull of its own to bring back. The key `among` (8, from 1 to 1000) says
/// how many of the least recently used copies are compared: 1 is `lru`; a large value protects
/// nothing that is large, however lately it was used. Of equals, the one used longest ago goes.
/// Cost: constant to add and remove, linear in `among` to choose.
#pragma once

#include "components/object_store/eviction_policy.h"

namespace mobula::object_store {

/// \return the policy. Errors: none of its own; the reader knows of a bad `among`.
[[nodiscard]] Result<std::unique_ptr<EvictionPolicy>> MakeLargestFirst(
    ConfigReader& config, const EvictionPolicy::Context& context);

inline constexpr Kind<EvictionPolicy> kLargestFirst{"largest_first", MakeLargestFirst};

}  // namespace mobula::object_store
