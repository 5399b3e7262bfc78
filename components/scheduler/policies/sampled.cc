// The policies that sample the nodes that fit and differ only in which of the sample they pick.
#include <algorithm>
#include <iterator>
#include <utility>

#include "components/scheduler/policies/policies.h"
#include "components/scheduler/policies/policy_config.h"
#include "components/scheduler/score.h"

namespace mobula {
namespace {

using Nodes = std::vector<const NodeView*>;

struct Sample {
  std::string_view kind;  // of the policy
  SampleFrom from = SampleFrom::kAnywhere;
  std::size_t nodes = 0;  // 0: as the key `sample_nodes` says
};

/// `Pick` returns one of the nodes that fit, at least one, ordered by id.
template <typename Pick>
class SampledPolicy final : public SchedulingPolicy {
 public:
  SampledPolicy(const Sample& sample, Random random, Pick pick)
      : sample_(sample), random_(random), pick_(std::move(pick)) {}

  //! [choose]
  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    Fitting found = FindFitting(filter, sample_.nodes, sample_.from, random_);
    if (found.nodes.empty()) return NothingFits(filter);
    return decision::Place{pick_(found.nodes, random_).id};
  }
  //! [choose]
  [[nodiscard]] std::string_view Name() const override { return sample_.kind; }

 private:
  const Sample sample_;
  Random random_;
  Pick pick_;
};

template <typename Pick>
MadePolicy MakeSampled(const ConfigValue& config, Random random, Sample sample, Pick pick) {
  PolicyConfig reader(config, sample.kind);
  if (sample.nodes == 0) sample.nodes = reader.SampleNodes();
  if (auto read = reader.Finish(); !read) return Fail(read.error());
  return std::make_unique<SampledPolicy<Pick>>(sample, random, std::move(pick));
}

}  // namespace

MadePolicy MakeLeastLoadedPolicy(const ConfigValue& config, Random random) {
  const auto pick = [](Nodes& nodes, Random& chance) -> const NodeView& {
    const auto lowest = Load(PickLowest(nodes, Load));
    Nodes equals;
    std::ranges::copy_if(nodes, std::back_inserter(equals),
                         [&](const NodeView* node) { return Load(*node) == lowest; });
    return PickAny(equals, chance);
  };
  return MakeSampled(config, random, {.kind = "least_loaded"}, pick);
}

MadePolicy MakePackPolicy(const ConfigValue& config, Random random) {
  const auto pick = [](Nodes& nodes, Random&) -> const NodeView& {
    return PickLowest(nodes, [](const NodeView& node) { return -CriticalUse(node); });
  };
  return MakeSampled(config, random, {.kind = "pack", .from = SampleFrom::kLeastFree}, pick);
}

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

MadePolicy MakeRandomPolicy(const ConfigValue& config, Random random) {
  return MakeSampled(config, random, {.kind = "random", .nodes = 1}, PickAny);
}

MadePolicy MakeSpreadPolicy(const ConfigValue& config, Random random) {
  auto pick = [last = NodeId()](Nodes& nodes, Random&) mutable -> const NodeView& {
    const NodeView& next = PickLowest(nodes, [&](const NodeView& node) {
      return std::pair(CriticalUse(node), node.id <= last);  // who had its turn: later
    });
    last = next.id;
    return next;
  };
  return MakeSampled(config, random, {.kind = "spread"}, std::move(pick));
}

}  // namespace mobula
