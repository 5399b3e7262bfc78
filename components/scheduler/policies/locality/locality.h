/// \file
/// \edge
/// \brief Scheduling policy `locality`: the node that already holds most bytes of the arguments.
///
/// Moves the computation to the data, however busy the node is, as long as it fits. Without hints,
/// or where no hinted node fits: the least used of a sample. Key: `sample_nodes` 32.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeLocalityPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context);

inline constexpr Kind<SchedulingPolicy> kLocalityPolicy{"locality", MakeLocalityPolicy};

}  // namespace mobula::scheduler
