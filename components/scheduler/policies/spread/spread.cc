#include "components/scheduler/policies/spread/spread.h"

#include <utility>

#include "components/scheduler/policies/sampled_policy.h"

namespace mobula::scheduler {

Result<std::unique_ptr<SchedulingPolicy>> MakeSpreadPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context) {
  auto pick = [last = NodeId()](Nodes& nodes, Random&) mutable -> const NodeView& {
    const NodeView& next = PickLowest(nodes, [&](const NodeView& node) {
      return std::pair(CriticalUse(node), node.id <= last);  // who had its turn: later
    });
    last = next.id;
    return next;
  };
  return MakeSampled(config, context, {.kind = "spread"}, std::move(pick));
}

}  // namespace mobula::scheduler
