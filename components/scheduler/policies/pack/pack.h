/// \file
/// \edge
/// \brief Scheduling policy `pack`: the most used node that still fits.
///
/// Leaves whole nodes free for big requests and for the autoscaler to remove. Key: `sample_nodes`
/// 32, taken from the nodes with least free.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakePackPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context);

inline constexpr Kind<SchedulingPolicy> kPackPolicy{"pack", MakePackPolicy};

}  // namespace mobula::scheduler
