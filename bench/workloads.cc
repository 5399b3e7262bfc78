// The workloads of the first figures. Each is written as a user would write it.

#include <mobula/mobula.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "bench/nodes.h"
#include "bench/report.h"

namespace bench {
namespace {

int Nothing() { return 0; }
std::uint64_t SizeOf(const mobula::Buffer& buffer) { return buffer.size(); }

Row Latency(const std::string& name, const std::vector<double>& times_us, double floor_us) {
  const double p50 = Quantile(times_us, 0.5);
  return {.name = name,
          .value = 1e6 / p50,
          .unit = "1/s",
          .p50_us = p50,
          .p99_us = Quantile(times_us, 0.99),
          .floor = 1e6 / floor_us,
          .floor_name = "one socket round trip",
          .ratio = floor_us / p50};
}

Row Rate(const std::string& name, double value, const std::string& unit, double floor,
         const std::string& floor_name) {
  return {.name = name,
          .value = value,
          .unit = unit,
          .floor = floor,
          .floor_name = floor_name,
          .ratio = value / floor};
}

/// A local cluster for the time of a workload.
struct LocalCluster {
  LocalCluster() { mobula::Init({.mode = mobula::Mode::kLocal, .object_store_bytes = 1ULL << 30}); }
  ~LocalCluster() { mobula::Shutdown(); }
};

std::vector<Row> TaskSync(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  const int rounds = settings.quick ? 500 : 5'000;
  for (int i = 0; i < 100; ++i) mobula::Get(mobula::Remote<Nothing>());
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const double begin = Now();
    mobula::Get(mobula::Remote<Nothing>());
    times.push_back((Now() - begin) * 1e6);
  }
  return {Latency("task_sync", times, floors.at("socket_round_trip_us"))};
}

std::vector<Row> TaskAsync(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  constexpr int kBatch = 1000;
  const int batches = settings.quick ? 10 : 50;
  std::vector<double> rates;
  for (int b = 0; b < batches + 2; ++b) {
    const double begin = Now();
    std::vector<mobula::ObjectRef<int>> refs;
    refs.reserve(kBatch);
    for (int i = 0; i < kBatch; ++i) refs.push_back(mobula::Remote<Nothing>());
    (void)mobula::Get(refs);
    if (b >= 2) rates.push_back(kBatch / (Now() - begin));
  }
  return {Rate("task_async", Quantile(rates, 0.5), "1/s", 1e6 / floors.at("system_call_us"),
               "one system call a task")};
}

std::vector<Row> SmallObjects(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  const int count = settings.quick ? 5'000 : 50'000;
  std::vector<mobula::ObjectRef<int>> refs;
  refs.reserve(static_cast<std::size_t>(count));
  double begin = Now();
  for (int i = 0; i < count; ++i) refs.push_back(mobula::Put(i));
  const double put = count / (Now() - begin);
  begin = Now();
  for (const auto& ref : refs) (void)mobula::Get(ref);
  const double get = count / (Now() - begin);
  const double floor = 1e6 / floors.at("allocation_us");
  return {Rate("put_small", put, "1/s", floor, "one allocation"),
          Rate("get_small", get, "1/s", floor, "one allocation")};
}

std::vector<Row> LargeObjects(const Settings& settings, const Floors& floors) {
  const LocalCluster cluster;
  constexpr std::size_t kBytes = 100U << 20;
  const mobula::Buffer buffer(std::string(kBytes, 'x'));
  std::vector<double> puts;
  std::vector<double> gets;
  for (int i = 0; i < (settings.quick ? 3 : 10); ++i) {
    double begin = Now();
    const auto ref = mobula::Put(buffer);
    puts.push_back(kBytes / (Now() - begin) / 1e9);
    begin = Now();
    (void)mobula::Get(ref);
    gets.push_back((Now() - begin) * 1e6);
  }
  Row get = Latency("get_100mb", gets, floors.at("socket_round_trip_us"));
  return {Rate("put_100mb", Quantile(puts, 0.5), "GB/s", floors.at("memcpy_gb_s"), "memcpy"), get};
}

std::vector<Row> NodeToNode(const Settings& settings, const Floors& floors) {
  const TwoNodes nodes(settings.binaries);
  mobula::Init({.address = nodes.address(), .token_file = nodes.token_file()});
  constexpr std::size_t kBytes = 100U << 20;
  const mobula::Buffer buffer(std::string(kBytes, 'x'));
  const auto far =
      mobula::Remote<SizeOf>.With({.scheduling = mobula::NodeAffinity{nodes.second_node_id()}});
  (void)mobula::Get(far(mobula::Buffer(std::string(1 << 20, 'x'))));  // a worker, its connections
  std::vector<double> rates;
  for (int i = 0; i < (settings.quick ? 3 : 7); ++i) {
    const auto ref = mobula::Put(buffer);
    const double begin = Now();
    (void)mobula::Get(far(ref));
    rates.push_back(kBytes / (Now() - begin) / 1e9);
  }
  mobula::Shutdown();
  return {Rate("node_to_node_100mb", Quantile(rates, 0.5), "GB/s", floors.at("raw_tcp_gb_s"),
               "raw TCP, one stream")};
}

constexpr const char* kFirstResult = "--first-result";

std::vector<Row> ClusterStart(const Settings& settings, const Floors& floors) {
  std::vector<double> times;
  for (int i = 0; i < (settings.quick ? 3 : 10); ++i) {
    const double begin = Now();
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/proc/self/exe", "mobula_bench", kFirstResult, nullptr);
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status == 0) times.push_back((Now() - begin) * 1e6);
  }
  const double floor_us = 3 * floors.at("spawn_ms") * 1e3;
  const double p50 = Quantile(times, 0.5);
  return {{.name = "cluster_start",
           .value = p50 / 1e3,
           .unit = "ms",
           .p50_us = p50,
           .p99_us = Quantile(times, 0.99),
           .floor = floor_us / 1e3,
           .floor_name = "three process spawns",
           .ratio = floor_us / p50}};
}

std::vector<Row> IdleMemory(const Settings& settings, const Floors&) {
  const TwoNodes nodes(settings.binaries);
  const double mb = nodes.head_resident_mb();
  const double floor = BareProcessMb();
  return {{.name = "idle_head_rss",
           .value = mb,
           .unit = "MB",
           .floor = floor,
           .floor_name = "a process that only waits",
           .ratio = floor / mb}};
}

}  // namespace

void ServeIfWorker(int argc, char** argv) {
  // Workers are this same program with this same command line; Init knows them.
  if (std::getenv("MOBULA_ZYGOTE") != nullptr) mobula::Init(argc, argv);
}

bool RunAsChild(int argc, char** argv) {
  if (argc != 2 || std::strcmp(argv[1], kFirstResult) != 0) return false;
  mobula::Init(argc, argv, {.mode = mobula::Mode::kLocal});
  if (mobula::Get(mobula::Remote<Nothing>()) != 0) std::_Exit(1);
  mobula::Shutdown();
  return true;
}

std::vector<Workload> Workloads() {
  return {{"task_sync", {"task_sync"}, TaskSync},
          {"task_async", {"task_async"}, TaskAsync},
          {"small_objects", {"put_small", "get_small"}, SmallObjects},
          {"large_objects", {"put_100mb", "get_100mb"}, LargeObjects},
          {"node_to_node", {"node_to_node_100mb"}, NodeToNode},
          {"cluster_start", {"cluster_start"}, ClusterStart},
          {"idle_memory", {"idle_head_rss"}, IdleMemory}};
}

}  // namespace bench
