/// \file
/// \edge
/// \brief Scheduling policy `round_robin`: the next node, in the order of ids, that fits.
///
/// Blind to load, but fair and simple. No keys. Cost: O(nodes skipped).
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeRoundRobinPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context);

inline constexpr Kind<SchedulingPolicy> kRoundRobinPolicy{"round_robin", MakeRoundRobinPolicy};

}  // namespace mobula::scheduler
