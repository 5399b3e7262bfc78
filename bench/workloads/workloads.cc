// The list of workloads, and what several of them do.

#include "bench/workloads/workloads.h"

#include <cstdlib>

namespace bench {

void ServeIfWorker(int argc, char** argv) {
  // Workers are this same program with this same command line; Init knows them.
  if (std::getenv("MOBULA_ZYGOTE") != nullptr) mobula::Init(argc, argv);
}

std::vector<mobula::ObjectRef<int>> SubmitNothing(int count) {
  std::vector<mobula::ObjectRef<int>> refs;
  refs.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) refs.push_back(mobula::Remote<Nothing>());
  return refs;
}

mobula::Buffer EightyKb() { return mobula::Buffer(std::string(kEightyKb, 'x')); }

std::vector<Workload> Workloads() {
  return {
      {"task_sync", {"task_sync"}, TaskSync},
      {"task_sync_parked", {"task_sync_parked"}, TaskSyncParked},
      {"task_async", {"task_async"}, TaskAsync},
      {"nested_tasks", {"nested_tasks"}, NestedTasks},
      {"small_objects", {"put_small", "get_small"}, SmallObjects},
      {"large_objects", {"put_100mb", "get_100mb"}, LargeObjects},
      {"wait_1k", {"wait_1k"}, WaitOneByOne},
      {"get_10k_refs", {"get_10k_refs"}, GetRefs},
      {"args_10k", {"args_10k"}, ManyArguments},
      {"returns", {"returns_3k", "returns_10k"}, ManyResults},
      {"get_10k_objects", {"get_10k_objects", "get_10k_objects_get"}, GetObjects},
      {"queued_1m", {"queued_1m", "queued_1m_memory"}, QueuedTasks},
      {"worker_start", {"worker_start"}, WorkerStart},
      {"cluster_start", {"cluster_start"}, ClusterStart},
      {"idle_cluster", {"idle_head_rss", "idle_worker_rss", "idle_cpu"}, IdleCluster},
      {"node_to_node", {"node_to_node_100mb", "node_to_node_1gib"}, NodeToNode},
      {"decisions", {"decisions_10", "decisions_100", "decisions_1k", "decisions_10k"}, Decisions},
      {"lease_grants", {"lease_grants"}, LeaseGrants},
      {"bookkeeping", {"memory_per_task", "memory_per_ref"}, BookKeeping},
  };
}

}  // namespace bench
