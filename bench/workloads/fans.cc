// Many objects at once: in one object, into one task, out of one task, into one Get.

#include "bench/workloads/workloads.h"

namespace bench {
namespace {

using Buffers = std::vector<mobula::ObjectRef<mobula::Buffer>>;

std::vector<mobula::ObjectRef<int>> PutOnes(int count) {
  std::vector<mobula::ObjectRef<int>> refs;
  refs.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) refs.push_back(mobula::Put(1));
  return refs;
}

Buffers PutBuffers(int count) {
  const mobula::Buffer buffer = EightyKb();
  Buffers refs;
  refs.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) refs.push_back(mobula::Put(buffer));
  return refs;
}

std::uint64_t BytesOf(const std::vector<mobula::Buffer>& buffers) {
  std::uint64_t bytes = 0;
  for (const mobula::Buffer& one : buffers) bytes += one.size();
  return bytes;
}

std::uint64_t ReadAll(const Buffers& refs) { return BytesOf(mobula::Get(refs)); }

/// How long copying so many objects of 80 KB takes at least.
Floor Copies(const Floors& floors, int count) {
  const double bytes = static_cast<double>(count) * kEightyKb;
  return {bytes / floors.at("memcpy_gb_s") / 1e6, "memcpy of the bytes"};
}

}  // namespace

std::vector<Row> GetRefs(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  const int count = settings.Size(10'000);
  const auto refs = mobula::Remote<PutOnes>(count);
  const auto get = [&] { (void)mobula::Get(refs); };
  get();
  return {Cost("get_10k_refs", "ms", Repeat(settings, [&] { return Timed(get) * 1e3; }),
               {count * floors.at("allocation_us") / 1e3, "an allocation a reference"})};
}

std::vector<Row> ManyArguments(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  const auto run = [](int count) {
    return Timed([&] { (void)mobula::Get(mobula::Remote<ReadAll>(PutBuffers(count))); }) * 1e3;
  };
  (void)run(10);
  const int count = settings.Size(10'000);
  return {
      Cost("args_10k", "ms", Repeat(settings, [&] { return run(count); }), Copies(floors, count))};
}

std::vector<Row> ManyResults(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  std::vector<Row> rows;
  const auto run = [](int count) {
    return Timed([&] { (void)ReadAll(mobula::Get(mobula::Remote<PutBuffers>(count))); }) * 1e3;
  };
  (void)run(10);
  for (const auto& [name, full] : {std::pair("returns_3k", 3'000), {"returns_10k", 10'000}}) {
    const int count = settings.Size(full);
    rows.push_back(
        Cost(name, "ms", Repeat(settings, [&] { return run(count); }), Copies(floors, count)));
  }
  return rows;
}

std::vector<Row> GetObjects(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  const int count = settings.Size(10'000);
  std::vector<double> totals;
  std::vector<double> gets;
  for (int round = 0; round < settings.rounds(); ++round) {
    double get = 0;
    const double total = Timed([&] {
      for (int twice = 0; twice < 2; ++twice) {
        const Buffers refs = PutBuffers(count);
        get += Timed([&] { (void)mobula::Get(refs); });
      }
    });
    totals.push_back(total * 1e3);
    gets.push_back(get * 1e3);
  }
  return {Cost("get_10k_objects", "ms", totals, Copies(floors, 2 * count)),
          Cost("get_10k_objects_get", "ms", gets,
               {2 * count * floors.at("allocation_us") / 1e3, "an allocation an object"})};
}

}  // namespace bench
