/// \file
/// \edge
/// \brief Which scheduling policies and schedulers can be named in YAML.
///
///     const Kinds<SchedulingPolicy> policies = BuiltInPolicies();
///     auto scheduler = BuiltInSchedulers().Make(
///         config, "scheduler", kUsualScheduler, {policies, std::move(local), random});
///
/// `config` is the whole `scheduler:` map; its `policy:` is read by the scheduler (MakePolicy).
#pragma once

#include "components/base/kinds.h"
#include "components/scheduler/scheduler.h"
#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

/// The scheduler of a map without a `kind`.
inline constexpr std::string_view kUsualScheduler = "distributed";

/// \return the kinds of `scheduler:`.
[[nodiscard]] Kinds<Scheduler> BuiltInSchedulers();
/// \return the kinds of `scheduler.policy:`.
[[nodiscard]] Kinds<SchedulingPolicy> BuiltInPolicies();

}  // namespace mobula::scheduler
