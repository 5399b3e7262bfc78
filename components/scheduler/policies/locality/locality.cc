#include "components/scheduler/policies/locality/locality.h"

#include "components/scheduler/policies/sample_nodes.h"
#include "components/scheduler/score.h"

namespace mobula::scheduler {
namespace {

class LocalityPolicy final : public SchedulingPolicy {
 public:
  LocalityPolicy(std::size_t sample_nodes, Random random)
      : sample_nodes_(sample_nodes), random_(random) {}

  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    const NodeView* richest = FindRichest(filter);
    if (richest != nullptr) return decision::Place{richest->id};
    const Fitting found = FindFitting(filter, sample_nodes_, SampleFrom::kAnywhere, random_);
    if (found.nodes.empty()) return NothingFits(filter);
    return decision::Place{PickLowest(found.nodes, CriticalUse).id};
  }
  [[nodiscard]] std::string_view Name() const override { return "locality"; }

 private:
  std::size_t sample_nodes_;
  Random random_;
};

}  // namespace

Result<std::unique_ptr<SchedulingPolicy>> MakeLocalityPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context) {
  const std::size_t sample_nodes = ReadSampleNodes(config);
  return std::make_unique<LocalityPolicy>(sample_nodes, context.random);
}

}  // namespace mobula::scheduler
