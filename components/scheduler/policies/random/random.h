/// \file
/// \edge
/// \brief Scheduling policy `random`: any node that fits, each as likely.
///
/// The baseline to beat. No keys. Cost: O(1) while many fit.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeRandomPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context);

inline constexpr Kind<SchedulingPolicy> kRandomPolicy{"random", MakeRandomPolicy};

}  // namespace mobula::scheduler
