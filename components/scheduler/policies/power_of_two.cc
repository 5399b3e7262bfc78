#include <algorithm>
#include <utility>

#include "components/scheduler/policies/sampled_policy.h"

namespace mobula::scheduler {

//! [power-of-two]
MadePolicy MakePowerOfTwoPolicy(const ConfigValue& config, Random random) {
  const auto pick = [](Nodes& nodes, Random& chance) -> const NodeView& {
    for (std::size_t i = 0; i < std::min<std::size_t>(2, nodes.size()); ++i) {
      std::swap(nodes[i], nodes[i + chance.Below(nodes.size() - i)]);
    }
    if (nodes.size() > 2) nodes.resize(2);
    return PickLowest(nodes, Load);
  };
  return MakeSampled(config, random, {.kind = "power_of_two", .nodes = 2}, pick);
}
//! [power-of-two]

}  // namespace mobula::scheduler
