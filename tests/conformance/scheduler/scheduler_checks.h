/// \file
/// \brief What every scheduler must do, as a function that says what one does wrong.
///
/// Random histories of requests, leases and news of nodes, with what must hold after each event. A
/// function and not a test, so that schedulers that are wrong on purpose can go through it too.
/// Books that do not balance abort (`CheckInvariants`).
#pragma once

#include <set>

#include "tests/components/scheduler/schedulers.h"

namespace mobula::scheduler::testing {

/// Makes one scheduler of the node `local`, the same for the same seed.
using SchedulerFactory =
    std::function<std::unique_ptr<Scheduler>(NodeView local, std::uint64_t seed)>;

/// What a scheduler does with requests that do not fit on its node.
enum class Sends : std::uint8_t {
  kUnknown,  ///< Of any kind: only requests that fit here must not wait.
  kNothing,  ///< Every request stays.
  kToAny,    ///< None that came over less than three hops waits while it fits anywhere.
};

/// \return everything that is wrong with the schedulers that `make` makes; empty for good ones.
[[nodiscard]] std::set<std::string> SchedulerViolations(const SchedulerFactory& make, Sends sends);

}  // namespace mobula::scheduler::testing
