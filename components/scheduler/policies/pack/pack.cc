#include "components/scheduler/policies/pack/pack.h"

#include "components/scheduler/policies/sampled_policy.h"

namespace mobula::scheduler {

Result<std::unique_ptr<SchedulingPolicy>> MakePackPolicy(ConfigReader& config,
                                                         const SchedulingPolicy::Context& context) {
  const auto pick = [](Nodes& nodes, Random&) -> const NodeView& {
    return PickLowest(nodes, [](const NodeView& node) { return -CriticalUse(node); });
  };
  return MakeSampled(config, context, {.kind = "pack", .from = SampleFrom::kLeastFree}, pick);
}

}  // namespace mobula::scheduler
