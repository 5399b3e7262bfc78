/// \file
/// \brief One node: lease manager, worker pool and object manager behind RayletService.
///
/// The raylet is never on the path of a task that runs on a leased worker. It registers with the
/// GCS, keeps the picture of the cluster from its deltas, grants leases through the `Scheduler`,
/// starts and reaps workers, holds the node's object store, and frees what dead owners leave
/// behind. When the GCS has fenced it, or is gone for good, it stops and takes its workers with it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "components/base/event_log.h"
#include "components/base/event_loop.h"
#include "components/base/file_system.h"
#include "components/base/metrics.h"
#include "components/base/random.h"
#include "components/gcs/client.h"
#include "components/object_store/create_queue.h"
#include "components/object_store/transfer/pull_manager.h"
#include "components/scheduler/scheduler.h"
#include "components/transport/rpc/client_pool.h"
#include "components/transport/rpc/server.h"
#include "node/raylet/worker_launcher.h"

namespace mobula::node {

/// Named bounds and times. YAML: `node:`, `workers:`, `object_store:`.
struct RayletConfig {
  NodeId node_id;
  bool is_head = false;
  ResourceSet resources;
  std::map<std::string, std::string> labels;
  std::string listen_endpoint;        ///< "tcp://127.0.0.1:0"; others reach this node there.
  std::string local_listen_endpoint;  ///< "shm+unix:///…/raylet.sock".
  std::string host_name;
  std::string log_folder;      ///< Worker logs; empty: none kept.
  std::string program_folder;  ///< Programs fetched by hash.
  std::int64_t pid = 0;
  std::size_t prestart_workers = 0;  ///< Per job; 0: one per CPU.
  std::size_t workers_max = 1000;    ///< Processes alive at once, blocked ones included.
  Duration worker_idle_max = std::chrono::seconds(10);  ///< Beyond the prestarted number.
  Duration worker_start_timeout = std::chrono::seconds(30);
  Duration infeasible_grace = std::chrono::seconds(5);  ///< Time for a big node to join.
  std::uint64_t inline_bytes_max = 100 * 1024;
  CreateQueueOptions creates;
  PullOptions pulls;
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it. `Stop` twice is harmless.
class Raylet {
 public:
  struct Deps {
    EventLoop& loop;
    Transport& transport;        ///< For other nodes (tcp).
    Transport& local_transport;  ///< For this node's processes.
    rpc::ClientPool& peers;      ///< To other raylets and to owners.
    gcs::GcsClient& gcs;
    ObjectStore& store;
    Scheduler& scheduler;
    WorkerLauncher& launcher;
    FileSystem& files;
    EventLog& log;
    Metrics& metrics;
    Random random;
  };
  Raylet(Deps deps, RayletConfig config);
  ~Raylet();

  /// Listens, registers with the GCS, subscribes. `done` gets the node's tcp endpoint.
  void Start(std::move_only_function<void(Result<std::string>)> done);
  /// Leaves the cluster, ends all workers, closes. `done` runs when the GCS knows or after 1 s.
  void Leave(std::string reason, std::move_only_function<void()> done);
  /// Runs once if the node must end, now or later: fenced, GCS gone for good.
  void OnMustExit(std::function<void(const Error&)> callback);
  void Stop();
  /// \return where processes of this node reach it, known when `Start` is done.
  [[nodiscard]] const std::string& local_endpoint() const;

  struct Census {
    std::size_t workers = 0, idle_workers = 0, leases = 0, queued = 0, drivers = 0;
  };
  [[nodiscard]] Census Count() const;
  void CheckInvariants() const;
  class Impl;  ///< raylet_impl.h

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace mobula::node
