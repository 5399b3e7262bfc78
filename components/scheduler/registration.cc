#include "components/scheduler/registration.h"

#include "components/scheduler/policies/policies.h"
#include "components/scheduler/policies/strategy.h"
#include "components/scheduler/queue/queue_scheduler.h"

namespace mobula::scheduler {

void RegisterPolicies(Registry<PolicyMaker>& registry) {
  registry.Add("hybrid", MakeHybridPolicy);
  registry.Add("least_loaded", MakeLeastLoadedPolicy);
  registry.Add("locality", MakeLocalityPolicy);
  registry.Add("pack", MakePackPolicy);
  registry.Add("power_of_two", MakePowerOfTwoPolicy);
  registry.Add("random", MakeRandomPolicy);
  registry.Add("round_robin", MakeRoundRobinPolicy);
  registry.Add("spread", MakeSpreadPolicy);
}

void RegisterSchedulers(Registry<SchedulerMaker>& registry) {
  registry.Add("local", MakeQueueScheduler);
  registry.Add("distributed", MakeQueueScheduler);
}

Result<std::unique_ptr<SchedulingPolicy>> MakePolicy(const Registry<PolicyMaker>& policies,
                                                     const ConfigValue& config,
                                                     const Random& random) {
  const std::string kind = ConfigReader(config, "scheduler.policy").Text("kind", "hybrid");
  const auto maker = policies.Find(kind);
  if (!maker) return Fail(maker.error());
  auto usual = (**maker)(config, random.Fork(kind));
  if (!usual) return Fail(usual.error());
  auto spread = MakeSpreadPolicy(ConfigValue(ConfigValue::Map()), random.Fork("strategy spread"));
  if (!spread) return Fail(spread.error());
  return std::make_unique<StrategyPolicy>(*std::move(usual), *std::move(spread));
}

}  // namespace mobula::scheduler
