/// \file
/// \brief The workloads, by what they ask about. README.md says which row is held against what.
#pragma once

#include <mobula/mobula.h>

#include "bench/nodes.h"
#include "bench/report.h"

namespace bench {

// tasks.cc
[[nodiscard]] std::vector<Row> TaskSync(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> TaskSyncParked(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> TaskAsync(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> NestedTasks(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> WaitOneByOne(const Settings& settings, const Floors& floors);
// queue.cc
[[nodiscard]] std::vector<Row> QueuedTasks(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> BookKeeping(const Settings& settings, const Floors& floors);
// objects.cc
[[nodiscard]] std::vector<Row> SmallObjects(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> LargeObjects(const Settings& settings, const Floors& floors);
// fans.cc
[[nodiscard]] std::vector<Row> GetRefs(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> ManyArguments(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> ManyResults(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> GetObjects(const Settings& settings, const Floors& floors);
// clusters.cc
[[nodiscard]] std::vector<Row> WorkerStart(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> ClusterStart(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> IdleCluster(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> NodeToNode(const Settings& settings, const Floors& floors);
// scheduling.cc
[[nodiscard]] std::vector<Row> Decisions(const Settings& settings, const Floors& floors);
[[nodiscard]] std::vector<Row> LeaseGrants(const Settings& settings, const Floors& floors);

/// In a worker process of a workload: serves its tasks and does not return.
void ServeIfWorker(int argc, char** argv);
/// Children of the benchmark that are programs of their own: \return true if `argv` says so.
[[nodiscard]] bool RunAsChild(int argc, char** argv);

/// The empty task.
inline int Nothing() { return 0; }
/// Submits `count` empty tasks. \return their refs.
[[nodiscard]] std::vector<mobula::ObjectRef<int>> SubmitNothing(int count);
/// An object of 80 KB, as Ray's envelope of many objects has them.
[[nodiscard]] mobula::Buffer EightyKb();
constexpr std::size_t kEightyKb = 80'000;

}  // namespace bench
