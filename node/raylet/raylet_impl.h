/// \file
/// \brief The insides of `Raylet`: its parts and what passes between them.
#pragma once

#include <map>
#include <string>

#include "components/base/lifetime.h"
#include "components/object_store/create_queue.h"
#include "components/object_store/store_service.h"
#include "components/object_store/transfer/pull_manager.h"
#include "components/object_store/transfer/transfer_service.h"
#include "node/raylet/lease_manager.h"
#include "node/raylet/object_owners.h"
#include "node/raylet/program_store.h"
#include "node/raylet/raylet.h"
#include "node/raylet/worker_pool.h"

namespace mobula::node {

/// Threads: the state lock.
class Raylet::Impl {
 public:
  Impl(const Deps& deps, RayletConfig config);

  void Start(std::move_only_function<void(Result<std::string>)> done);
  void Leave(std::string reason, std::move_only_function<void()> done);
  void Stop();

  // handlers.cc: what processes and other raylets call
  void AddHandlers();
  void Register(const core_worker::RegisterWorkerRequest& request, rpc::Peer& peer,
                rpc::Respond<core_worker::RegisterWorkerReply> respond);
  void RegisterDriver(const core_worker::RegisterWorkerRequest& request, rpc::Peer& peer,
                      rpc::Respond<core_worker::RegisterWorkerReply> respond);
  [[nodiscard]] core_worker::RegisterWorkerReply Welcome(const JobId& job) const;
  void DescribeDeath(const core_worker::DescribeDeathRequest& request,
                     rpc::Respond<core_worker::DescribeDeathReply> respond);

  // raylet.cc
  void OnRegistered(const gcs::RegisterNodeReply& reply);
  void Heartbeat();
  void ReportSoon();
  void OnNode(const gcs::NodeInfo& node);
  void OnNodeDied(const NodeId& node, const std::string& reason);
  [[nodiscard]] std::string EndpointOf(const NodeId& node) const;
  void PrepareJob(const core_worker::RequestLeaseRequest& request, bool for_spill,
                  std::move_only_function<void(Result<void>)> done);
  void OnProcessEnded(const gcs::WorkerDeath& death);
  void OnOwnerDied(const gcs::WorkerDeath& death);
  void EndJob(const JobId& job);
  void OnPeerClosed(rpc::Peer& peer);
  void MustExit(const Error& why);

  Deps deps;
  RayletConfig config;
  std::function<void(const Error&)> on_must_exit;
  rpc::ServiceTable services;
  WorkerPool pool;
  LeaseManager leases;
  ProgramStore programs;
  CreateQueue creates;
  PullManager pulls;
  StoreService store_service;
  TransferService transfer_service;
  ObjectOwners owners;
  rpc::Server server;
  std::string endpoint;                     // tcp, as others know us
  std::string cluster_id;                   // empty until registered
  gcs::NodeInfo info;                       // what the GCS knows of us
  std::map<NodeId, std::string> endpoints;  // of other living nodes
  Duration heartbeat_period = std::chrono::seconds(1);
  Timer heartbeat_timer;
  Timer report_timer;
  bool stopped = false;
  std::optional<Error> must_exit;  ///< Why, once it must.
  Lifetime alive;
};

}  // namespace mobula::node
