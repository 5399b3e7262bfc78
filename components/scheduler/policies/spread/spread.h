/// \file
/// \brief Scheduling policy `spread`: the least used node, and of equals the one whose turn it is.
///
/// The strategy `Spread` requests for this one, under any policy. Key: `sample_nodes` 32.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeSpreadPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context);

inline constexpr Kind<SchedulingPolicy> kSpreadPolicy{"spread", MakeSpreadPolicy};

}  // namespace mobula::scheduler
