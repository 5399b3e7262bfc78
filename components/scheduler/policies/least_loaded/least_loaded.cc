#include "components/scheduler/policies/least_loaded/least_loaded.h"

#include <algorithm>
#include <iterator>

#include "components/scheduler/policies/sampled_policy.h"

namespace mobula::scheduler {

Result<std::unique_ptr<SchedulingPolicy>> MakeLeastLoadedPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context) {
  const auto pick = [](Nodes& nodes, Random& chance) -> const NodeView& {
    const auto lowest = Load(PickLowest(nodes, Load));
    Nodes equals;
    std::ranges::copy_if(nodes, std::back_inserter(equals),
                         [&](const NodeView* node) { return Load(*node) == lowest; });
    return PickAny(equals, chance);
  };
  return MakeSampled(config, context, {.kind = "least_loaded"}, pick);
}

}  // namespace mobula::scheduler
