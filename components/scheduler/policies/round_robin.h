/// \file
/// \brief The next node, in the order of ids, that fits.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula {

/// Blind to load, but fair and simple. No keys. Cost: O(nodes skipped).
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeRoundRobinPolicy(
    const ConfigValue& config, Random random);

}  // namespace mobula
