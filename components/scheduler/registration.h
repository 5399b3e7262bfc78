/// \file
/// \brief The built-in policies and schedulers, by the `kind:` that names them in YAML.
#pragma once

#include "components/base/registry.h"
#include "components/scheduler/scheduler.h"
#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

/// Adds the built-in policies: one line each.
void RegisterPolicies(Registry<PolicyMaker>& registry);
/// Adds `local` and `distributed`.
void RegisterSchedulers(Registry<SchedulerMaker>& registry);

/// Builds what `config` names, `kind: hybrid` if it names nothing, and puts the policy for
/// the strategy `Spread` beside it. For the scheduler, and for the GCS, which places actors.
/// \return the policy. kInvalidArgument on an unknown kind, an unknown key or a bad value.
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakePolicy(
    const Registry<PolicyMaker>& policies, const ConfigValue& config, const Random& random);

}  // namespace mobula::scheduler
