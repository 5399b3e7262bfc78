// Pi by throwing darts: many independent tasks, each with a seed of its own.

#include <mobula/mobula.h>

#include <cmath>
#include <cstdint>
#include <numbers>

#include "examples/options.h"

/// Throws `count` darts at the unit square. \return how many fell within the quarter circle.
static std::uint64_t ThrowDarts(std::uint64_t seed, std::uint64_t count) {
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
  const auto next = [&state] {  // xorshift64*: good enough for darts
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return static_cast<double>((state * 0x2545F4914F6CDD1DULL) >> 11) * 0x1.0p-53;
  };
  std::uint64_t hits = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double x = next();
    const double y = next();
    hits += x * x + y * y <= 1 ? 1 : 0;
  }
  return hits;
}

static int ThrowAllDarts(int argc, char** argv) {
  const examples::Options options(argc, argv, {{"tasks", "64"}, {"darts", "2000000"}},
                                  "pi [--tasks 64] [--darts 2000000 (a task)]\n");
  const auto tasks = static_cast<std::size_t>(options.Number("tasks", 1, 1'000'000));
  const auto darts = static_cast<std::uint64_t>(options.Number("darts", 1, 1'000'000'000'000));
  const examples::Stopwatch whole;
  mobula::Init(argc, argv);
  const double joined = whole.Seconds();

  std::vector<mobula::ObjectRef<std::uint64_t>> pending;
  for (std::size_t i = 0; i < tasks; ++i) {
    pending.push_back(mobula::Remote<ThrowDarts>(std::uint64_t{i + 1}, darts));
  }
  std::uint64_t hits = 0;
  while (!pending.empty()) {
    auto round = mobula::Wait(std::move(pending), 1);
    for (const auto& one : round.ready) hits += mobula::Get(one);
    pending = std::move(round.pending);
    examples::Progress("pi", tasks - pending.size(), tasks, "tasks");
  }
  const double total = static_cast<double>(darts) * static_cast<double>(tasks);
  const double pi = 4 * static_cast<double>(hits) / total;
  const double error = std::abs(pi - std::numbers::pi);
  std::printf("pi is about %.6f (off by %.6f)\n", pi, error);
  std::printf("time: %.3f s to join, %.3f s for %zu tasks\n", joined, whole.Seconds() - joined,
              tasks);
  mobula::Shutdown();
  return error < 10 / std::sqrt(total) ? 0 : 1;  // six standard deviations
}

int main(int argc, char** argv) { return examples::Run(ThrowAllDarts, argc, argv); }
