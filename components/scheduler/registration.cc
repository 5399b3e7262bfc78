#include "components/scheduler/registration.h"

#include "components/scheduler/policies/hybrid/hybrid.h"
#include "components/scheduler/policies/least_loaded/least_loaded.h"
#include "components/scheduler/policies/locality/locality.h"
#include "components/scheduler/policies/pack/pack.h"
#include "components/scheduler/policies/power_of_two/power_of_two.h"
#include "components/scheduler/policies/random/random.h"
#include "components/scheduler/policies/round_robin/round_robin.h"
#include "components/scheduler/policies/spread/spread.h"
#include "components/scheduler/queue/queue_scheduler.h"

namespace mobula::scheduler {
namespace {

constexpr std::initializer_list<Kind<SchedulingPolicy>> kPolicies = {
    // policies
    kHybridPolicy,     kLeastLoadedPolicy, kLocalityPolicy,   kPackPolicy,
    kPowerOfTwoPolicy, kRandomPolicy,      kRoundRobinPolicy, kSpreadPolicy,
};

constexpr std::initializer_list<Kind<Scheduler>> kSchedulers = {
    // schedulers
    kDistributed,
    kLocal,
};

}  // namespace

Kinds<SchedulingPolicy> BuiltInPolicies() {
  return Kinds<SchedulingPolicy>("scheduling policy", kPolicies);
}

Kinds<Scheduler> BuiltInSchedulers() { return Kinds<Scheduler>("scheduler", kSchedulers); }

}  // namespace mobula::scheduler
