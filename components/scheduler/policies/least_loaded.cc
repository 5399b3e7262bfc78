#include "components/scheduler/policies/least_loaded.h"

#include <algorithm>
#include <iterator>

#include "components/scheduler/policies/policy_config.h"
#include "components/scheduler/score.h"

namespace mobula {
namespace {

class LeastLoadedPolicy final : public SchedulingPolicy {
 public:
  LeastLoadedPolicy(std::size_t sample_nodes, Random random)
      : sample_nodes_(sample_nodes), random_(random) {}

  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    const Fitting found = FindFitting(filter, sample_nodes_, SampleFrom::kAnywhere, random_);
    if (found.nodes.empty()) return NothingFits(filter);
    const auto lowest = Load(PickLowest(found.nodes, Load));
    std::vector<const NodeView*> equals;
    std::ranges::copy_if(found.nodes, std::back_inserter(equals),
                         [&](const NodeView* node) { return Load(*node) == lowest; });
    return decision::Place{PickAny(equals, random_).id};
  }
  [[nodiscard]] std::string_view Name() const override { return "least_loaded"; }

 private:
  std::size_t sample_nodes_;
  Random random_;
};

}  // namespace

Result<std::unique_ptr<SchedulingPolicy>> MakeLeastLoadedPolicy(const ConfigValue& config,
                                                                Random random) {
  PolicyConfig reader(config, "least_loaded");
  const std::size_t sample_nodes = reader.SampleNodes();
  if (auto read = reader.Finish(); !read) return Fail(read.error());
  return std::make_unique<LeastLoadedPolicy>(sample_nodes, random);
}

}  // namespace mobula
