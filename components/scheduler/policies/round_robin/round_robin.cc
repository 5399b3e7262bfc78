#include "components/scheduler/policies/round_robin/round_robin.h"

#include "components/scheduler/score.h"

namespace mobula::scheduler {
namespace {

class RoundRobinPolicy final : public SchedulingPolicy {
 public:
  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const Filter filter(request, view);
    if (!AnyFits(filter)) return NothingFits(filter);
    auto next = view.nodes().upper_bound(last_);
    for (;; ++next) {
      if (next == view.nodes().end()) next = view.nodes().begin();
      if (filter.Fits(next->second)) break;
    }
    last_ = next->first;
    return decision::Place{last_};
  }
  [[nodiscard]] std::string_view Name() const override { return "round_robin"; }

 private:
  NodeId last_;
};

}  // namespace

Result<std::unique_ptr<SchedulingPolicy>> MakeRoundRobinPolicy(
    ConfigReader& /*config*/, const SchedulingPolicy::Context& /*context*/) {
  return std::make_unique<RoundRobinPolicy>();
}

}  // namespace mobula::scheduler
