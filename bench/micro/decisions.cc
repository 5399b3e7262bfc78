// One decision of each built-in policy, over clusters of several sizes.

#include <benchmark/benchmark.h>

#include "bench/workloads/decider.h"

namespace {

void Decide(benchmark::State& state, const char* kind) {
  bench::Decider decider(kind, static_cast<int>(state.range(0)));
  for (auto _ : state) decider.DecideOnce();
}
BENCHMARK_CAPTURE(Decide, hybrid, "hybrid")->RangeMultiplier(10)->Range(10, 10'000);
BENCHMARK_CAPTURE(Decide, spread, "spread")->RangeMultiplier(10)->Range(10, 10'000);
BENCHMARK_CAPTURE(Decide, pack, "pack")->RangeMultiplier(10)->Range(10, 10'000);
BENCHMARK_CAPTURE(Decide, power_of_two, "power_of_two")->RangeMultiplier(10)->Range(10, 10'000);
BENCHMARK_CAPTURE(Decide, least_loaded, "least_loaded")->RangeMultiplier(10)->Range(10, 10'000);

}  // namespace
