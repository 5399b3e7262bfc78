#include "components/scheduler/policies/random.h"

#include "components/scheduler/policies/policy_config.h"
#include "components/scheduler/score.h"

namespace mobula {
namespace {

class RandomPolicy final : public SchedulingPolicy {
 public:
  explicit RandomPolicy(Random random) : random_(random) {}

  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    const Fitting found = FindFitting(filter, 1, SampleFrom::kAnywhere, random_);
    if (found.nodes.empty()) return NothingFits(filter);
    return decision::Place{PickAny(found.nodes, random_).id};
  }
  [[nodiscard]] std::string_view Name() const override { return "random"; }

 private:
  Random random_;
};

}  // namespace

Result<std::unique_ptr<SchedulingPolicy>> MakeRandomPolicy(const ConfigValue& config,
                                                           Random random) {
  if (auto read = PolicyConfig(config, "random").Finish(); !read) return Fail(read.error());
  return std::make_unique<RandomPolicy>(random);
}

}  // namespace mobula
