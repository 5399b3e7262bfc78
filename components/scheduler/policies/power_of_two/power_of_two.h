/// \file
/// \edge
/// \brief Scheduling policy `power_of_two`: two nodes by chance, and the less loaded of them.
///
/// Nearly as even as looking at all of them, at the cost of looking at two (Mitzenmacher); and many
/// deciders with one stale picture do not meet on one node. No keys. Cost: O(1) while many fit.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakePowerOfTwoPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context);

inline constexpr Kind<SchedulingPolicy> kPowerOfTwoPolicy{"power_of_two", MakePowerOfTwoPolicy};

}  // namespace mobula::scheduler
