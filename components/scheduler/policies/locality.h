/// \file
/// \brief The node that already holds most bytes of the arguments.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula {

/// Moves the computation to the data, however busy the node is, as long as it fits. Without hints,
/// or where no hinted node fits: the least used of a sample. Key: `sample_nodes` 32.
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeLocalityPolicy(
    const ConfigValue& config, Random random);

}  // namespace mobula
