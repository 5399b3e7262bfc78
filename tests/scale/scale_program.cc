// Many tiny tasks and deep nesting on two CPUs: both end, and the driver's memory comes back.

#include <malloc.h>
#include <mobula/mobula.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace {

using SteadyClock = std::chrono::steady_clock;

/// Works for about a microsecond.
std::uint64_t Tiny(std::uint64_t x) {
  for (int i = 0; i < 300; ++i) x = x * 6364136223846793005ULL + 1442695040888963407ULL;
  return x;
}

/// Two children a level, each waited for: 2^(depth + 1) - 1 tasks.
std::uint64_t Fan(int depth) {
  if (depth == 0) return 1;
  const auto left = mobula::Remote<Fan>(depth - 1);
  const auto right = mobula::Remote<Fan>(depth - 1);
  return 1 + mobula::Get(left) + mobula::Get(right);
}

/// Memory of this process that is really in use, in KiB.
std::int64_t ResidentKb() {
  ::malloc_trim(0);
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::int64_t kb = 0;
    if (word == "RssAnon:" && status >> kb) return kb;
  }
  return 0;
}

double Seconds(SteadyClock::time_point begin) {
  return std::chrono::duration<double>(SteadyClock::now() - begin).count();
}

/// Batches of 1000; each batch's tasks take the results of the one before.
void Batches(int batches) {
  constexpr int kBatch = 1000;
  std::vector<mobula::ObjectRef<std::uint64_t>> previous;
  for (std::uint64_t i = 0; i < kBatch; ++i) previous.push_back(mobula::Remote<Tiny>(i));
  for (int b = 1; b < batches; ++b) {
    std::vector<mobula::ObjectRef<std::uint64_t>> next;
    for (const auto& ref : previous) next.push_back(mobula::Remote<Tiny>(ref));
    previous = std::move(next);
  }
  (void)mobula::Get(previous);
}

}  // namespace

int main(int argc, char** argv) {
  const int batches = argc > 1 ? std::atoi(argv[1]) : 100;
  const int depth = argc > 2 ? std::atoi(argv[2]) : 12;
  const bool judges_memory = argc <= 3;  // not where freed memory is held back
  mobula::Init(argc, argv, {.mode = mobula::Mode::kLocal, .num_cpus = 2});
  Batches(2);  // what a process keeps for good is there now
  const std::int64_t before = ResidentKb();
  auto begin = SteadyClock::now();
  Batches(batches);
  std::printf("%d tasks in batches: %.2f s\n", batches * 1000, Seconds(begin));
  begin = SteadyClock::now();
  const std::uint64_t count = mobula::Get(mobula::Remote<Fan>(depth));
  std::printf("fan-out %d deep, %llu tasks: %.2f s\n", depth,
              static_cast<unsigned long long>(count), Seconds(begin));
  (void)mobula::Get(mobula::Remote<Tiny>(std::uint64_t{1}));  // releases of the last refs are done
  const std::int64_t after = ResidentKb();
  std::printf("driver memory: %ld KiB before, %ld KiB after\n", before, after);
  mobula::Shutdown();
  // The tasks took tens of MiB; pages with something on them that stays cannot be given back.
  const bool is_back = after <= before + 1536;
  return count == (2ULL << depth) - 1 && (is_back || !judges_memory) ? 0 : 1;
}
