#include "components/scheduler/policies/power_of_two.h"

#include <algorithm>
#include <utility>

#include "components/scheduler/policies/policy_config.h"
#include "components/scheduler/score.h"

namespace mobula {
namespace {

class PowerOfTwoPolicy final : public SchedulingPolicy {
 public:
  explicit PowerOfTwoPolicy(Random random) : random_(random) {}

  //! [power-of-two]
  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    Fitting found = FindFitting(filter, 2, SampleFrom::kAnywhere, random_);
    if (found.nodes.empty()) return NothingFits(filter);
    std::vector<const NodeView*>& nodes = found.nodes;
    for (std::size_t i = 0; i < std::min<std::size_t>(2, nodes.size()); ++i) {
      std::swap(nodes[i], nodes[i + random_.Below(nodes.size() - i)]);
    }
    if (nodes.size() > 2) nodes.resize(2);
    return decision::Place{PickLowest(nodes, Load).id};
  }
  //! [power-of-two]
  [[nodiscard]] std::string_view Name() const override { return "power_of_two"; }

 private:
  Random random_;
};

}  // namespace

Result<std::unique_ptr<SchedulingPolicy>> MakePowerOfTwoPolicy(const ConfigValue& config,
                                                               Random random) {
  if (auto read = PolicyConfig(config, "power_of_two").Finish(); !read) return Fail(read.error());
  return std::make_unique<PowerOfTwoPolicy>(random);
}

}  // namespace mobula
