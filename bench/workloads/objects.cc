// Objects of this process: small ones by the thousand, large ones by the byte.

#include "bench/workloads/workloads.h"

namespace bench {

std::vector<Row> SmallObjects(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  const int count = settings.Size(100'000);
  std::vector<mobula::ObjectRef<int>> refs;
  refs.reserve(static_cast<std::size_t>(count));
  std::vector<double> puts;
  std::vector<double> gets;
  for (int round = 0; round <= settings.rounds(); ++round) {  // the first one is not counted
    refs.clear();
    const double put = Timed([&] {
      for (int i = 0; i < count; ++i) refs.push_back(mobula::Put(i));
    });
    const double get = Timed([&] {
      for (const auto& ref : refs) (void)mobula::Get(ref);
    });
    if (round == 0) continue;
    puts.push_back(count / put);
    gets.push_back(count / get);
  }
  const Floor floor = {1e6 / floors.at("allocation_us"), "one allocation"};
  return {Rate("put_small", "1/s", puts, floor), Rate("get_small", "1/s", gets, floor)};
}

std::vector<Row> LargeObjects(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  constexpr std::size_t kBytes = 100'000'000;
  const mobula::Buffer buffer(std::string(kBytes, 'x'));
  std::vector<double> puts;
  std::vector<std::vector<double>> gets;
  for (int round = 0; round <= settings.rounds(); ++round) {  // the first one is not counted
    mobula::ObjectRef<mobula::Buffer> ref;
    const double put = Timed([&] { ref = mobula::Put(buffer); });
    std::vector<double> times;
    for (int i = 0; i < 20; ++i) times.push_back(Timed([&] { (void)mobula::Get(ref); }) * 1e6);
    if (round == 0) continue;
    puts.push_back(kBytes / put / 1e9);
    gets.push_back(times);
  }
  return {Rate("put_100mb", "GB/s", puts, {floors.at("memcpy_gb_s"), "memcpy"}),
          Latency("get_100mb", gets, {floors.at("allocation_us"), "one allocation"})};
}

}  // namespace bench
