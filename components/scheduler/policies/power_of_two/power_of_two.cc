#include "components/scheduler/policies/power_of_two/power_of_two.h"

#include <algorithm>
#include <utility>

#include "components/scheduler/policies/sampled_policy.h"

namespace mobula::scheduler {

//! [power-of-two]
Result<std::unique_ptr<SchedulingPolicy>> MakePowerOfTwoPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context) {
  const auto pick = [](Nodes& nodes, Random& chance) -> const NodeView& {
    for (std::size_t i = 0; i < std::min<std::size_t>(2, nodes.size()); ++i) {
      std::swap(nodes[i], nodes[i + chance.Below(nodes.size() - i)]);
    }
    if (nodes.size() > 2) nodes.resize(2);
    return PickLowest(nodes, Load);
  };
  return MakeSampled(config, context, {.kind = "power_of_two", .nodes = 2}, pick);
}
//! [power-of-two]

}  // namespace mobula::scheduler
