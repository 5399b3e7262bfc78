/// \file
/// \brief The owner's and the worker's side of every task: the heart of Mobula.
///
/// A `CoreWorker` is in every driver and worker. As owner it turns submitted tasks into pushes to
/// leased workers, keeps their results, retries what failed and makes again what was lost. As
/// worker it queues pushed tasks, fetches their arguments, runs them in the lanes of its
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
#include "components/core_worker/core_worker_config.h"
#include "components/core_worker/owner/references.h"
#include "components/core_worker/task_executor.h"
#include "components/core_worker/task_handle.h"
#include "components/core_worker/task_output.h"
#include "components/object_store/store_client.h"
#include "components/protocol/common.pb.h"
#include "components/transport/rpc/client_pool.h"
#include "components/transport/rpc/server.h"
#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

/// What a process learns when it registers with the raylet of its node.
struct Membership {
  protocol::Address self;
  JobId job;
  protocol::Program program;
  std::string raylet_endpoint;         ///< As other nodes know it.
  std::uint64_t inline_bytes_max = 0;  ///< 0: as in `CoreWorkerConfig`.
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it. Every submitted task ends
/// in values or a typed error on its references.
class CoreWorker {
 public:
  struct Deps {
    EventLoop& loop;
    rpc::ClientPool& peers;  ///< To other drivers and workers.
    rpc::Client& raylet;     ///< This node's; its loss means this process must end.
    EventLog& log;
    Random random;
  };
  CoreWorker(Deps deps, CoreWorkerConfig config);
  ~CoreWorker();

  /// What other processes may call here; wire it into the server, the pool and the raylet's client.
  void AddHandlers(rpc::ServiceTable& services);
  void OnPeerClosed(rpc::Peer& peer, const Error& reason);

  /// Completes construction: the process is attached to the store and registered.
  /// \param executor null for a driver.
  void Start(Membership membership, std::unique_ptr<object_store::StoreClient> store,
             TaskExecutor* executor);
  [[nodiscard]] const CoreWorkerConfig& config() const;

  // ---- owner ----
  // `caller` is the task in whose name it is done; null: the program itself.
  /// \return what names what `caller` submits and puts next.
  [[nodiscard]] TaskContext& ContextOf(TaskHandle caller);
  /// Queues a task. Arguments above `inline_bytes_max` must have been `Put` by the caller before.
  [[nodiscard]] std::vector<internal::ReferencePtr> Submit(
      TaskHandle caller, const internal::FunctionKey& function,
      std::vector<internal::Argument> arguments, std::uint32_t result_count,
      const internal::TaskOptions& options);
  /// A new owned object. Small values are kept inline and are ready at once.
  [[nodiscard]] internal::ReferencePtr PutInline(TaskHandle caller,
                                                 internal::SerializedValue value);
  /// Large values: the caller creates with this id, writes, seals, then calls `FinishPut`.
  [[nodiscard]] ObjectId NextPutId(TaskHandle caller);
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
  /// A running task has result number `index`; they come in order. After the last one the task is
  /// over, and the next one may run in its lane.
  void OnResult(TaskHandle task, std::uint32_t index, TaskOutput output, IsLast is_last);
  /// A running task is over without all of its results.
  void OnTaskFailed(TaskHandle task, const Error& error);
  /// A running task waits, or goes on. When all do, the CPU goes to others and unstarted tasks go
  /// back to their owners. Calls nest.
  void SetBlocked(TaskHandle task, bool blocked);
  /// \return the running task if there is exactly one, else null.
  [[nodiscard]] TaskHandle SoleTask();
  [[nodiscard]] bool is_driver() const;  ///< It runs no tasks.

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
