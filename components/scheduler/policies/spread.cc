#include "components/scheduler/policies/spread.h"

#include "components/scheduler/policies/policy_config.h"
#include "components/scheduler/score.h"

namespace mobula {
namespace {

class SpreadPolicy final : public SchedulingPolicy {
 public:
  SpreadPolicy(std::size_t sample_nodes, Random random)
      : sample_nodes_(sample_nodes), random_(random) {}

  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    const Fitting found = FindFitting(filter, sample_nodes_, SampleFrom::kAnywhere, random_);
    if (found.nodes.empty()) return NothingFits(filter);
    const auto turn = [&](const NodeView& node) { return node.id <= last_; };  // had it: later
    last_ = PickLowest(found.nodes, [&](const NodeView& node) {
              return std::pair(CriticalUse(node), turn(node));
            }).id;
    return decision::Place{last_};
  }
  [[nodiscard]] std::string_view Name() const override { return "spread"; }

 private:
  std::size_t sample_nodes_;
  Random random_;
  NodeId last_;
};

}  // namespace

Result<std::unique_ptr<SchedulingPolicy>> MakeSpreadPolicy(const ConfigValue& config,
                                                           Random random) {
  PolicyConfig reader(config, "spread");
  const std::size_t sample_nodes = reader.SampleNodes();
  if (auto read = reader.Finish(); !read) return Fail(read.error());
  return std::make_unique<SpreadPolicy>(sample_nodes, random);
}

}  // namespace mobula
