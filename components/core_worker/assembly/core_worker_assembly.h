/// \file
/// \brief A core worker with everything around it: how every driver and worker is put together.
///
/// A core worker needs connections to its peers and its raylet, a server for those that connect to
/// it, a place in its node's store, and a name in the cluster. Real processes, the simulator, tests
/// and benchmarks get all of that here, in one order, so that what the simulator finds is true of
/// real processes:
///
///     made ──Join──► listening ──► attached to the store ──► registered ──► started ──Stop──► over
///
/// A process attaches before it registers: from the raylet's answer on, owners may push tasks, and
/// those read and write the store at once.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "components/base/task_group.h"
#include "components/core_worker/core_worker.h"
#include "components/protocol/common.pb.h"

namespace mobula::core_worker {

/// What a process must know to take part in a cluster.
struct AssemblyOptions {
  bool is_driver = false;
  WorkerId id;  ///< A worker's is the one that its launcher was given.
  JobId job;    ///< Workers; a driver is given its job when it registers.
  protocol::Program program;
  std::int64_t pid = 0;
  std::string raylet_endpoint;        ///< Of this node, for its processes.
  std::string local_listen_endpoint;  ///< Where processes of this node connect to us.
  std::string listen_endpoint;        ///< Where processes of other nodes do.
  CoreWorkerConfig config;
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class CoreWorkerAssembly {
 public:
  using AttachStore = std::function<void(Done<std::unique_ptr<object_store::StoreClient>>)>;
  struct Deps {
    EventLoop& loop;
    /// \return the transport for an endpoint by its scheme; null: unknown scheme.
    std::function<transport::Transport*(std::string_view endpoint)> transport_for;
    Random random;
    EventLog& log;
    AttachStore attach_store = nullptr;  ///< Null: over the connection to the raylet.
  };

  /// \return kInvalidArgument if no transport serves the raylet's endpoint.
  [[nodiscard]] static Result<std::unique_ptr<CoreWorkerAssembly>> Make(Deps deps,
                                                                        AssemblyOptions options);
  ~CoreWorkerAssembly() { Stop(); }
  CoreWorkerAssembly(const CoreWorkerAssembly&) = delete;

  /// Listens, attaches, registers and starts the core worker, once. `joined` runs when tasks can be
  /// submitted and run, or with the first error; after `Stop` it does not run.
  /// \param executor runs the tasks of a worker and outlives this; null for a driver.
  void Join(TaskExecutor* executor, Done<void> joined);
  /// A driver tells its raylet that its job is over. `told` runs once the raylet has answered, or
  /// cannot.
  /// \param failure how the job failed; empty: it succeeded.
  void FinishJob(const std::string& failure, std::function<void()> told);
  /// Leaves: refuses new connections, ends the core worker, then closes its own connections. Twice
  /// is harmless.
  void Stop();

  [[nodiscard]] CoreWorker& core() { return core_; }
  [[nodiscard]] const CoreWorker& core() const { return core_; }
  [[nodiscard]] rpc::ClientPool& peers() { return peers_; }
  /// \return what other processes may call here.
  [[nodiscard]] const rpc::ServiceTable& services() const { return services_; }
  /// \return how others reach this process; complete once it has joined.
  [[nodiscard]] const protocol::Address& address() const { return address_; }
  [[nodiscard]] bool has_joined() const { return has_joined_; }

 private:
  CoreWorkerAssembly(Deps deps, AssemblyOptions options, transport::Transport& to_raylet);
  Result<void> Listen();
  Task<void> JoinNode(TaskExecutor* executor);

  Deps deps_;
  AssemblyOptions options_;
  transport::Transport& to_raylet_;
  rpc::ServiceTable services_;
  rpc::ClientPool peers_;
  rpc::Client raylet_;
  CoreWorker core_;
  rpc::Server server_;
  protocol::Address address_;
  bool has_joined_ = false;
  TaskGroup tasks_;
};

}  // namespace mobula::core_worker
