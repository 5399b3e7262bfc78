// Whole processes: how fast they start, what they cost while idle, and bytes between two nodes.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/processes.h"
#include "bench/workloads/workloads.h"

namespace bench {
namespace {

constexpr const char* kFirstResult = "--first-result";

std::uint64_t SizeOf(const mobula::Buffer& buffer) { return buffer.size(); }
int ProcessId() { return static_cast<int>(::getpid()); }

/// Waits in `Get` for another that does, so deep: while it waits its CPU is free, its worker not.
int Chain(int depth) { return depth == 0 ? 0 : mobula::Get(mobula::Remote<Chain>(depth - 1)) + 1; }

/// From nothing to the first result and back, as a program of its own. Seconds; 0: it failed.
double FirstResult() {
  int status = 1;
  const double seconds = Timed([&] {
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/proc/self/exe", "mobula_bench", kFirstResult, nullptr);
      ::_exit(127);
    }
    ::waitpid(child, &status, 0);
  });
  if (status == 0) return seconds;
  std::fprintf(stderr, "cluster_start: the program ended with status %d\n", status);
  return 0;
}

}  // namespace

bool RunAsChild(int argc, char** argv) {
  if (argc != 2 || std::strcmp(argv[1], kFirstResult) != 0) return false;
  mobula::Init(argc, argv, {.mode = mobula::Mode::kLocal});
  if (mobula::Get(mobula::Remote<Nothing>()) != 0) std::_Exit(1);
  mobula::Shutdown();
  return true;
}

std::vector<Row> WorkerStart(const Settings& settings, const Floors& floors) {
  const int depth = settings.Size(20);
  const auto run = [&] {
    const LocalCluster cluster(1);  // a new one: its only worker is busy with the first of them
    (void)mobula::Get(mobula::Remote<Nothing>());
    return Timed([&] { (void)mobula::Get(mobula::Remote<Chain>(depth)); }) * 1e3 / depth;
  };
  return {Cost("worker_start", "ms", Repeat(settings, run), {floors.at("fork_ms"), "one fork"})};
}

std::vector<Row> ClusterStart(const Settings& settings, const Floors& floors) {
  const Floor floor = {3 * floors.at("spawn_ms"), "three process spawns"};
  std::vector<double> times_us;
  for (int i = 0; i < (settings.quick ? 3 : 15); ++i) {
    if (const double seconds = FirstResult(); seconds > 0) times_us.push_back(seconds * 1e6);
  }
  std::vector<double> rounds;
  for (const double us : times_us) rounds.push_back(us / 1e3);
  Row row = Cost("cluster_start", "ms", rounds, floor);
  row.p50_us = Median(times_us);
  row.p99_us = Quantile(times_us, 0.99);
  return {row};
}

std::vector<Row> IdleCluster(const Settings& settings, const Floors&) {
  const Nodes nodes(settings.binaries, 2);
  const std::chrono::milliseconds length = std::chrono::seconds(settings.quick ? 1 : 10);
  Gap(std::chrono::seconds(1));  // what a start leaves to do is done
  const std::vector<double> head = Repeat(settings, [&] { return ResidentMb(nodes.head()); });
  const std::vector<double> cpu = Repeat(settings, [&] {
    const std::vector<pid_t> all = FamilyOf(nodes.pids());
    const double before = CpuSeconds(all);
    const double seconds = Timed([&] { Gap(length); });
    return (CpuSeconds(all) - before) / seconds * 100;
  });
  nodes.Join();
  const int worker = mobula::Get(mobula::Remote<ProcessId>());
  const std::vector<double> idle = Repeat(settings, [&] { return ResidentMb(worker); });
  mobula::Shutdown();
  const Floor bare = {BareProcessMb(), "a process that only waits"};
  return {
      Cost("idle_head_rss", "MB", head, bare), Cost("idle_worker_rss", "MB", idle, bare),
      Cost("idle_cpu", "%", cpu, {0, "nothing: of one core, all processes of head and worker"})};
}

std::vector<Row> NodeToNode(const Settings& settings, const Floors& floors) {
  const Nodes nodes(settings.binaries, 2);
  nodes.Join();
  const auto far =
      mobula::Remote<SizeOf>.With({.scheduling = mobula::NodeAffinity{nodes.second_node_id()}});
  (void)mobula::Get(far(mobula::Buffer(std::string(1 << 20, 'x'))));  // a worker, its connections
  const auto measure = [&](std::size_t bytes) {
    const mobula::Buffer buffer(std::string(bytes, 'x'));
    return Repeat(settings, [&] {
      const auto ref = mobula::Put(buffer);
      return static_cast<double>(bytes) / Timed([&] { (void)mobula::Get(far(ref)); }) / 1e9;
    });
  };
  const Floor floor = {floors.at("raw_tcp_gb_s"), "raw TCP, one stream"};
  const std::vector<Row> rows = {
      Rate("node_to_node_100mb", "GB/s", measure(100'000'000), floor),
      Rate("node_to_node_1gib", "GB/s", measure((settings.quick ? 256ULL : 1024ULL) << 20), floor)};
  mobula::Shutdown();
  return rows;
}

}  // namespace bench
