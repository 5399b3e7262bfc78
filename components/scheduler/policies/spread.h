/// \file
/// \brief The least used node, and of equals the one whose turn it is.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula {

/// What `Strategy::kSpread` asks for. Key: `sample_nodes` 32.
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeSpreadPolicy(const ConfigValue& config,
                                                                         Random random);

}  // namespace mobula
