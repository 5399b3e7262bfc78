/// \file
/// \brief Two nodes by chance, and the less loaded of them.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula {

/// Nearly as even as looking at all of them, at the cost of looking at two (Mitzenmacher); and many
/// deciders with one stale picture do not meet on one node. No keys. Cost: O(1) while many fit.
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakePowerOfTwoPolicy(
    const ConfigValue& config, Random random);

}  // namespace mobula
