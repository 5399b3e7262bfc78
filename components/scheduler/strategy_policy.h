/// \file
/// \brief Makes the policy that serves every strategy: the configured one, and one for `Spread`.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

/// Builds what `config` names, `kind: hybrid` if it names nothing, and puts the policy `spread`
/// beside it for requests with the strategy `Spread`. A wish for a node or for labels needs no
/// policy of its own: it is part of the filter that every policy begins with. For the scheduler,
/// and for the GCS, which places actors.
/// \return the policy, which has the name of the configured one. kInvalidArgument on an unknown
///         kind, an unknown key or a bad value.
[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakePolicy(
    const Kinds<SchedulingPolicy>& policies, const ConfigValue& config, const Random& random);

}  // namespace mobula::scheduler
