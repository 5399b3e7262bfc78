/// \file
/// \brief The owner's and the worker's side of every task: the heart of Mobula.
///
/// A `CoreWorker` is in every driver and worker. As owner it turns submitted tasks into pushes to
/// leased workers, keeps their results, retries what failed and makes again what was lost. As
/// worker it queues pushed tasks, fetches their arguments, runs one at a time through its
/// `TaskExecutor` and sends results back. It never blocks; the threads of user code block in
/// blocking_runtime.h.
///
///     submitted ─► waiting for arguments ─► queued under its scheduling key ─► pushed ─► done
///                     ▲                         ▲    (grant│spill│infeasible)          │ worker or
///                     └── lost: made again ─────┴────────────── retry ◄────────────────┘ node died
///
/// Parts: references (holds and values), tasks (records, retries, lineage), leases (cached leases,
/// pipelining), execution (the worker's side). Book: \ref ch_one_task.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/random.h"
#include "components/core_worker/owner/references.h"
#include "components/object_store/store_client.h"
#include "components/protocol/worker.pb.h"
#include "components/transport/rpc/client_pool.h"
#include "components/transport/rpc/server.h"
#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

using TaskConstantsPtr = std::shared_ptr<const protocol::TaskConstants>;  // of a lease, its tasks
/// A task whose arguments are here.
struct RunnableTask {
  TaskId id;
  std::uint32_t attempt = 0;  ///< 0 first.
  TaskConstantsPtr constants;
  std::vector<Payload> arguments;  ///< In order; pinned while held.
};

/// One result of a task. A large value is best written to the store by the executor (its thread
/// copies without the state lock); then only its size and references are told.
struct TaskOutput {
  internal::SerializedValue value;  ///< `size` and `references` always; bytes unless stored.
  bool is_stored = false;  ///< Created and sealed in this node's store under the result's id.
};

/// What runs user code, one task at a time. Real: a thread (blocking_runtime.h). Simulated: timers.
class TaskExecutor {
 public:
  virtual ~TaskExecutor() = default;
  /// Begins to run `task`, never inside this call; the end is told with `CoreWorker::FinishTask`.
  virtual void Run(RunnableTask task) = 0;
};

/// Named bounds and times.
struct CoreWorkerConfig {
  std::uint64_t inline_bytes_max = 100 * 1024;            ///< Larger values go to the store
  std::size_t lease_requests_max = 16;                    ///< Unanswered per scheduling key.
  std::size_t pipeline_tasks_max = 256;                   ///< Pushed and unfinished per lease.
  Duration pipeline_time = std::chrono::milliseconds(1);  ///< Work to keep queued at a worker.
  Duration lease_idle_max = std::chrono::seconds(1);      ///< Then an idle lease is returned.
  std::uint64_t lineage_bytes_max = 1ULL << 30;           ///< Beyond: oldest lineage is forgotten.
  std::uint32_t reconstructions_max = 10;                 ///< Per task, then kObjectLost.
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it. Every submitted task ends
/// in values or a typed error on its references.
class CoreWorker {
 public:
  struct Deps {
    EventLoop& loop;
    rpc::ClientPool& peers;  ///< Its service table is `services()` below.
    rpc::Client& raylet;     ///< This node's; its loss means this process must end.
    EventLog& log;
    Random random;
  };
  CoreWorker(Deps deps, CoreWorkerConfig config);
  ~CoreWorker();

  /// What other processes may call here; wire it into the server, the pool and the raylet's client.
  void AddHandlers(rpc::ServiceTable& services);
  void OnPeerClosed(rpc::Peer& peer, const Error& reason);

  [[nodiscard]] CoreWorkerConfig& config();  ///< Changed before `Start` only.
  /// Completes construction after RegisterWorker and the store's Attach were answered.
  /// \param executor null for a driver.
  void Start(protocol::Address self, JobId job, protocol::Program program,
             std::string raylet_endpoint, std::unique_ptr<object_store::StoreClient> store,
             TaskExecutor* executor);

  // ---- owner ----
  /// The task in whose name things are submitted: a driver's only one, or what a worker runs.
  struct Context {
    TaskId task;
    std::uint32_t attempt = 0;
    std::uint32_t depth = 0;
    std::uint64_t next_child = 0;
    std::uint32_t next_put = 0;
    std::string task_name = {};  ///< Empty in a driver.
  };
  [[nodiscard]] Context& context();

  /// Queues a task. Arguments above `inline_bytes_max` must have been `Put` by the caller before.
  [[nodiscard]] std::vector<internal::ReferencePtr> Submit(
      const internal::FunctionKey& function, std::vector<internal::Argument> arguments,
      std::uint32_t result_count, const internal::TaskOptions& options);
  /// A new owned object. Small values are kept inline and are ready at once.
  [[nodiscard]] internal::ReferencePtr PutInline(internal::SerializedValue value);
  /// Large values: the caller creates with this id, writes, seals, then calls `FinishPut`.
  [[nodiscard]] ObjectId NextPutId();
  [[nodiscard]] internal::ReferencePtr FinishPut(const ObjectId& id, std::uint64_t size_bytes,
                                                 std::vector<internal::ReferencePtr> contained);
  /// Calls back once with the value, pulled to this node and pinned, or the error it ended in.
  WatchId Get(const internal::ReferencePtr& reference,
              std::move_only_function<void(Result<Payload>)> done);
  void Cancel(WatchId get);
  /// \return what a message calls an object: by its task and what that does, if it is ours.
  [[nodiscard]] std::string Describe(const ObjectId& id) const;
  [[nodiscard]] internal::ReferencePtr Borrow(const ObjectId& id, std::string_view owner);

  // ---- worker ----
  /// The running task ended with one output per result, or failed. Then the next one runs.
  void FinishTask(Result<std::vector<TaskOutput>> outputs);
  /// The running task waits: its CPU goes to others, unstarted tasks to their owners. Calls nest.
  void SetBlocked(bool blocked);

  [[nodiscard]] object_store::StoreClient& store();
  [[nodiscard]] ReferenceTable& references();
  [[nodiscard]] const protocol::Address& self() const;
  [[nodiscard]] const JobId& job() const;
  /// Adds a callback: the raylet is lost (kUnavailable) or asked us to exit (kCancelled).
  void OnMustExit(std::function<void(const Error&)> callback);
  void Stop();
  /// Sizes for tests and leak checks. `served`: tasks of others here, and results not taken over.
  struct Census {
    std::size_t tasks = 0, lineage = 0, leases = 0, lease_requests = 0, served = 0, gets = 0;
    ReferenceTable::Census references;
  };
  [[nodiscard]] Census Count() const;
  void CheckInvariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mobula::core_worker
