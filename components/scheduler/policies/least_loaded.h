/// \file
/// \brief The node with the shortest queue, then the least used.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula {

/// Key: `sample_nodes` 32. Ties go to chance.
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeLeastLoadedPolicy(
    const ConfigValue& config, Random random);

}  // namespace mobula
