#include "components/scheduler/policies/random/random.h"

#include "components/scheduler/policies/sampled_policy.h"

namespace mobula::scheduler {

Result<std::unique_ptr<SchedulingPolicy>> MakeRandomPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context) {
  return MakeSampled(config, context, {.kind = "random", .nodes = 1}, PickAny);
}

}  // namespace mobula::scheduler
