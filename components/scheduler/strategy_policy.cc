#include "components/scheduler/strategy_policy.h"

namespace mobula::scheduler {
namespace {

class StrategyPolicy final : public SchedulingPolicy {
 public:
  StrategyPolicy(std::unique_ptr<SchedulingPolicy> usual, std::unique_ptr<SchedulingPolicy> spread)
      : usual_(std::move(usual)), spread_(std::move(spread)) {}

  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    const bool is_spread = std::holds_alternative<Spread>(request.strategy);
    return (is_spread ? spread_ : usual_)->Choose(request, view);
  }
  [[nodiscard]] std::string_view Name() const override { return usual_->Name(); }

 private:
  std::unique_ptr<SchedulingPolicy> usual_;
  std::unique_ptr<SchedulingPolicy> spread_;
};

}  // namespace

Result<std::unique_ptr<SchedulingPolicy>> MakePolicy(const Kinds<SchedulingPolicy>& policies,
                                                     const ConfigValue& config,
                                                     const Random& random) {
  constexpr std::string_view kPath = "scheduler.policy";
  constexpr std::string_view kUsualPolicy = "hybrid";
  ConfigReader reader(config, std::string(kPath));
  const std::string kind = reader.Text("kind", kUsualPolicy);
  auto usual = policies.Make(reader, kUsualPolicy, {.random = random.Fork(kind)});
  if (!usual) return Fail(std::move(usual.error()));
  auto spread = policies.Make(ConfigValue(ConfigValue::Map()), std::string(kPath), "spread",
                              {.random = random.Fork("strategy spread")});
  if (!spread) return Fail(std::move(spread.error()));
  return std::make_unique<StrategyPolicy>(*std::move(usual), *std::move(spread));
}

}  // namespace mobula::scheduler
