/// \file
/// \brief Any node that fits, each as likely. The baseline to beat.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula {

/// No keys. Cost: O(1) while many nodes fit.
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeRandomPolicy(const ConfigValue& config,
                                                                         Random random);

}  // namespace mobula
