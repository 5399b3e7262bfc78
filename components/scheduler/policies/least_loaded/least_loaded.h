/// \file
/// \edge
/// \brief Scheduling policy `least_loaded`: the node with the shortest queue, then the least used.
///
/// Chance decides among equals. Key: `sample_nodes` 32.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeLeastLoadedPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context);

inline constexpr Kind<SchedulingPolicy> kLeastLoadedPolicy{"least_loaded", MakeLeastLoadedPolicy};

}  // namespace mobula::scheduler
