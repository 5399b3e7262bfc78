#include "components/scheduler/policies/pack.h"

#include "components/scheduler/policies/policy_config.h"
#include "components/scheduler/score.h"

namespace mobula {
namespace {

class PackPolicy final : public SchedulingPolicy {
 public:
  PackPolicy(std::size_t sample_nodes, Random random)
      : sample_nodes_(sample_nodes), random_(random) {}

  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    const Fitting found = FindFitting(filter, sample_nodes_, SampleFrom::kLeastFree, random_);
    if (found.nodes.empty()) return NothingFits(filter);
    const auto emptiness = [](const NodeView& node) { return -CriticalUse(node); };
    return decision::Place{PickLowest(found.nodes, emptiness).id};
  }
  [[nodiscard]] std::string_view Name() const override { return "pack"; }

 private:
  std::size_t sample_nodes_;
  Random random_;
};

}  // namespace

Result<std::unique_ptr<SchedulingPolicy>> MakePackPolicy(const ConfigValue& config, Random random) {
  PolicyConfig reader(config, "pack");
  const std::size_t sample_nodes = reader.SampleNodes();
  if (auto read = reader.Finish(); !read) return Fail(read.error());
  return std::make_unique<PackPolicy>(sample_nodes, random);
}

}  // namespace mobula
