// Empty tasks: one at a time, in batches, from tasks, and waited for one by one.

#include "bench/workloads/workloads.h"

namespace bench {
namespace {

constexpr int kBatch = 1000;

/// Times of `count` empty tasks, each waited for before the next.
template <typename Before>
std::vector<double> SyncTimes(int count, Before&& before) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    before();
    times.push_back(Timed([] { mobula::Get(mobula::Remote<Nothing>()); }) * 1e6);
  }
  return times;
}

/// The row `name`: `before` is what happens between two calls.
template <typename Before>
std::vector<Row> SyncRow(const Settings& settings, std::string name, int count, Before&& before,
                         Floor floor) {
  const LocalCluster cluster;
  (void)SyncTimes(200, before);
  const auto times = Repeat(settings, [&] { return SyncTimes(settings.Size(count), before); });
  return {Latency(std::move(name), times, std::move(floor))};
}

/// A client of its own: submits empty tasks and waits for all.
int SubmitAndGet(int count) {
  (void)mobula::Get(SubmitNothing(count));
  return count;
}

Floor RingRate(const Floors& floors) { return {floors.at("ring_tasks_per_s"), "bare ring"}; }

}  // namespace

std::vector<Row> TaskSync(const Settings& settings, const Floors& floors) {
  return SyncRow(settings, "task_sync", 5'000, [] {},
                 {floors.at("spin_round_trip_us"), "spinning round trip"});
}

std::vector<Row> TaskSyncParked(const Settings& settings, const Floors& floors) {
  return SyncRow(settings, "task_sync_parked", 500, [] { Gap(); },
                 {floors.at("parked_round_trip_us"), "parked round trip"});
}

std::vector<Row> TaskAsync(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  const int count = settings.Size(100'000);
  const auto run = [&] {
    return count / Timed([&] {
             for (int done = 0; done < count; done += kBatch) SubmitAndGet(kBatch);
           });
  };
  SubmitAndGet(2 * kBatch);
  return {Rate("task_async", "1/s", Repeat(settings, run), RingRate(floors))};
}

std::vector<Row> NestedTasks(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  constexpr int kClients = 4;
  const auto client = mobula::Remote<SubmitAndGet>.With({.num_cpus = 0});
  const auto run = [&](int each) {
    const double seconds = Timed([&] {
      std::vector<mobula::ObjectRef<int>> clients;
      for (int i = 0; i < kClients; ++i) clients.push_back(client(each));
      (void)mobula::Get(clients);
    });
    return kClients * each / seconds;
  };
  (void)run(100);  // starts the workers
  return {Rate("nested_tasks", "1/s", Repeat(settings, [&] { return run(settings.Size(10'000)); }),
               RingRate(floors))};
}

std::vector<Row> WaitOneByOne(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  const auto run = [] {
    std::vector<mobula::ObjectRef<int>> pending = SubmitNothing(kBatch);
    while (!pending.empty()) pending = mobula::Wait(std::move(pending)).pending;
  };
  run();
  return {Cost("wait_1k", "ms", Repeat(settings, [&] { return Timed(run) * 1e3; }),
               {kBatch * 1e3 / floors.at("ring_tasks_per_s"), "1000 through a bare ring"})};
}

}  // namespace bench
