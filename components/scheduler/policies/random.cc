#include "components/scheduler/policies/sampled_policy.h"

namespace mobula::scheduler {

MadePolicy MakeRandomPolicy(const ConfigValue& config, Random random) {
  return MakeSampled(config, random, {.kind = "random", .nodes = 1}, PickAny);
}

}  // namespace mobula::scheduler
