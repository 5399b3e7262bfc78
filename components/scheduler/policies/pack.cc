#include "components/scheduler/policies/sampled_policy.h"

namespace mobula::scheduler {

MadePolicy MakePackPolicy(const ConfigValue& config, Random random) {
  const auto pick = [](Nodes& nodes, Random&) -> const NodeView& {
    return PickLowest(nodes, [](const NodeView& node) { return -CriticalUse(node); });
  };
  return MakeSampled(config, random, {.kind = "pack", .from = SampleFrom::kLeastFree}, pick);
}

}  // namespace mobula::scheduler
