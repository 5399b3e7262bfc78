/// \file
/// \brief One node: its membership, its leases and workers, its objects, behind RayletService.
///
/// The raylet is never on the path of a task that runs on a leased worker. `Membership` keeps it in
/// the cluster, the `LeaseManager` lends out the workers of its `WorkerPool` as the `Scheduler`
/// decides, and the `ObjectManager` keeps its objects. The raylet itself is what they tell each
/// other: news of nodes reach the scheduler, the end of a process reaches all who held something
/// for it. When the GCS has fenced it, or is gone for good, it stops and takes its workers along.
#pragma once

#include <functional>
#include <string>

#include "components/base/lifetime.h"
#include "components/base/metrics.h"
#include "components/protocol/gcs.pb.h"
#include "components/protocol/raylet.pb.h"
#include "components/raylet/lease_manager.h"
#include "components/raylet/membership.h"
#include "components/raylet/object_manager.h"
#include "components/raylet/program_store.h"
#include "components/raylet/worker_pool.h"
#include "components/transport/rpc/server.h"

namespace mobula::raylet {

/// What a node has from its host. `random` is the raylet's own.
struct Host {
  EventLoop& loop;
  FileSystem& files;
  EventLog& log;
  Metrics& metrics;
  Random random;
};

/// How a raylet reaches others and is reached.
struct Network {
  transport::Transport& cluster;  ///< For other nodes (tcp).
  transport::Transport& local;    ///< For this node's processes.
  rpc::ClientPool& peers;         ///< To other raylets and to owners.
  gcs::GcsClient& gcs;
};

/// The parts of a node whose kind can be chosen.
struct Parts {
  object_store::ObjectStore& store;
  scheduler::Scheduler& scheduler;
  WorkerLauncher& launcher;
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it. `Stop` twice is harmless.
class Raylet {
 public:
  struct Deps {
    Host host;
    Network network;
    Parts parts;
    std::function<void(const Error&)> on_must_exit;  ///< The node is fenced, or has lost its GCS.
  };
  Raylet(Deps deps, RayletConfig config);
  ~Raylet();

  /// Listens, registers with the GCS, subscribes. `joined` runs when the GCS has accepted it.
  void Start(Done<void> joined);
  /// Leaves the cluster. `done` runs when the GCS knows, or after 1 s.
  void Leave(std::string reason, std::move_only_function<void()> done);
  /// Ends all workers, closes all connections.
  void Stop();
  /// \return where other nodes reach it, and processes of this one. \pre `Start` was called.
  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] const std::string& local_endpoint() const { return config_.local_listen_endpoint; }

  struct Census {
    std::size_t workers = 0, idle_workers = 0, leases = 0, queued = 0, drivers = 0;
  };
  [[nodiscard]] Census Count() const;
  void CheckInvariants() const;

 private:
  // handlers.cc: what processes and other raylets call
  void AddHandlers();
  void Register(const protocol::RegisterWorkerRequest& request, rpc::Peer& peer,
                rpc::Respond<protocol::RegisterWorkerReply> respond);
  void RegisterDriver(const protocol::RegisterWorkerRequest& request, rpc::Peer& peer,
                      rpc::Respond<protocol::RegisterWorkerReply> respond);
  [[nodiscard]] protocol::RegisterWorkerReply Welcome(const JobId& job) const;
  void DescribeDeath(const protocol::DescribeDeathRequest& request,
                     rpc::Respond<protocol::DescribeDeathReply> respond);

  // raylet.cc
  Result<void> Listen();
  [[nodiscard]] Membership::Hooks MembershipHooks();
  [[nodiscard]] protocol::NodeInfo Describe() const;
  void FillReport(protocol::NodeInfo& report) const;
  void OnNode(const protocol::NodeInfo& node);
  void OnNodeDied(const NodeId& node, const std::string& reason);
  void PrepareJob(const protocol::RequestLeaseRequest& request, bool for_spill, Done<void> done);
  void OnProcessEnded(const protocol::WorkerDeath& death);
  void OnOwnerDied(const protocol::WorkerDeath& death);
  void EndJob(const JobId& job);
  void OnPeerClosed(rpc::Peer& peer);

  Host host_;
  Network network_;
  Parts parts_;
  std::function<void(const Error&)> on_must_exit_;
  RayletConfig config_;
  rpc::ServiceTable services_;
  WorkerPool pool_;
  LeaseManager leases_;
  ProgramStore programs_;
  Membership membership_;
  ObjectManager objects_;
  rpc::Server server_;
  std::string endpoint_;  // as other nodes know us
  Lifetime alive_;
};

}  // namespace mobula::raylet
