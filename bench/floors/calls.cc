// What the kernel, the heap and a few cache misses cost.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <random>

#include "bench/floors/probes.h"
#include "bench/floors/ring.h"
#include "bench/report.h"

namespace bench {
namespace {

constexpr int kCalls = 100'000;

double MedianMs(int rounds, const std::function<void()>& child) {
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    times.push_back(Timed([&] { WaitFor(RunInChild(child)); }) * 1e3);
  }
  return Median(times);
}

}  // namespace

double Spawn(int rounds) {
  return MedianMs(rounds, [] { ::execl("/bin/true", "true", nullptr); });
}

double Fork(int rounds) {
  return MedianMs(rounds, [] {});
}

double SystemCall() {
  const double seconds = Timed([] {
    for (int i = 0; i < kCalls; ++i) (void)::getppid();
  });
  return seconds * 1e6 / kCalls;
}

double Allocation() {
  std::vector<std::unique_ptr<std::string>> kept(kCalls);
  const double seconds = Timed([&] {
    for (auto& one : kept) one = std::make_unique<std::string>(32, 'x');
    kept.clear();
  });
  return seconds * 1e6 / kCalls;
}

double Scan32() {
  constexpr int kLooks = 32;
  std::vector<Descriptor> records(10'000, Descriptor{{1, 2, 3, 4, 5, 6, 7, 8}});
  std::minstd_rand random(1);
  std::uint64_t sum = 0;
  const double seconds = Timed([&] {
    for (int i = 0; i < kCalls * kLooks; ++i) sum += records[random() % records.size()].words[3];
  });
  return sum > 0 ? seconds * 1e6 / kCalls : 0;
}

}  // namespace bench
