/// \file
/// \brief The most used node that still fits, so that others stay empty.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula {

/// Leaves whole nodes free for big requests and for the autoscaler to remove. Key: `sample_nodes`
/// 32, taken from the nodes with least free.
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakePackPolicy(const ConfigValue& config,
                                                                       Random random);

}  // namespace mobula
