/// \file
/// \brief Turns lease requests into grants: the scheduler decides, the worker pool provides.
///
///     RequestLease ─► asked ──Grant──► waiting for a worker ──► granted (reply) ──► over, when
///                       │                                        returned, or worker or owner died
///                       ├──SpillTo──► reply: ask that raylet
///                       └──Infeasible, after `infeasible_grace`──► reply: never, because …
///
/// The check at grant is authoritative: it is made on this node's own books. When requests wait and
/// leases are out, their holders are told (`ReclaimLeases`): first to return idle ones, and after
/// `lease_share` to return busy ones too if somebody else waits. So a lease may be kept for as long
/// as nobody else needs it, and is shared out in slices when somebody does; owners take turns.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/base/metrics.h"
#include "components/base/random.h"
#include "components/protocol/gcs.pb.h"
#include "components/protocol/raylet.pb.h"
#include "components/raylet/raylet_config.h"
#include "components/raylet/worker_pool.h"
#include "components/scheduler/scheduler.h"
#include "components/transport/rpc/peer.h"

namespace mobula::raylet {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class LeaseManager {
 public:
  struct Deps {
    EventLoop& loop;
    scheduler::Scheduler& scheduler;
    WorkerPool& pool;
    EventLog& log;
    Metrics& metrics;
    Random random;
  };
  struct Hooks {
    /// The program of a job is wanted here or on another node. Calls back when the job can run here
    /// (`for_spill` false) or the program can be fetched by others (true).
    std::function<void(const protocol::RequestLeaseRequest&, bool for_spill, Done<void>)>
        prepare_job;
    /// \return the endpoint of a raylet; empty if the node is not known.
    std::function<std::string(const NodeId&)> endpoint_of;
    std::function<void()> on_change;  ///< Books or queue changed: others want to hear.
  };
  LeaseManager(Deps deps, const RayletConfig& config, Hooks hooks);

  void Request(protocol::RequestLeaseRequest request, rpc::Peer& peer,
               rpc::Respond<protocol::RequestLeaseReply> respond);
  void Cancel(const std::string& request_id);
  /// The owner needs the lease no more; its worker is idle and may be lent to others.
  void Return(const LeaseId& lease);
  /// The owner lost its connection to the worker: ends both, and tells how the worker ended.
  void EndLostWorker(const protocol::EndLostWorkerRequest& request,
                     rpc::Respond<protocol::EndLostWorkerReply> respond);
  /// An owner is connected, perhaps again: it holds these leases on, and no others.
  void Keep(const protocol::KeepLeasesRequest& request, rpc::Peer& peer);
  /// The worker waits in `Get`: its CPU is lent out until it runs again.
  void SetBlocked(const WorkerId& worker, bool blocked);
  /// A worker ended: its lease is over, and so are the leases it held as owner.
  void OnProcessEnded(const WorkerId& process);
  /// With a node its owners died: the leases that they held here are over.
  void OnNodeDied(const NodeId& node);
  /// A connection that held asks or leases is lost.
  void OnPeerClosed(rpc::Peer& peer);
  void EndJob(const JobId& job);
  /// Asks the scheduler again; call after news of nodes.
  void Step();
  /// \return what waits here and why, for `status`.
  [[nodiscard]] std::vector<protocol::Demand> Demands() const;
  [[nodiscard]] std::size_t lease_count() const { return leases_.size(); }
  [[nodiscard]] std::size_t queued_count() const { return asks_.size(); }
  void CheckInvariants() const;

 private:
  struct Ask {
    protocol::RequestLeaseRequest request;
    rpc::Peer* peer = nullptr;
    rpc::Respond<protocol::RequestLeaseReply> respond;
    bool is_granted = false;  // resources are taken, waiting for a worker
    std::unique_ptr<Timer> infeasible;
  };
  struct Lease {
    WorkerId worker;
    WorkerId owner;
    NodeId owner_node;
    JobId job;
    ResourceSet resources;
    rpc::Peer* peer = nullptr;  // the holder's connection; null while lost
    bool is_blocked = false;
    TimePoint granted{};
    enum class Told : std::uint8_t { kNothing, kIfIdle, kReclaimed } told = Told::kNothing;
    std::unique_ptr<Timer> orphan;  // set while the holder's connection is lost
  };

  void Grant(std::uint64_t ticket, const ResourceSet& resources);
  void FinishGrant(std::uint64_t ticket, const ResourceSet& resources,
                   Result<protocol::Address> worker);
  void Spill(scheduler::action::SpillTo spill);
  void ReplySpill(const scheduler::action::SpillTo& spill, const Result<void>& shared);
  void FailInfeasible(std::uint64_t ticket, std::string reason);
  void Drop(std::uint64_t ticket);
  void CancelAll(const std::function<bool(const Ask&)>& over);
  void End(const LeaseId& id, bool worker_lives);
  /// Ends leases and kills their workers: what those run, nobody waits for.
  void EndAll(const std::function<bool(const Lease&)>& which);
  void Reclaim();

  Deps deps_;
  const RayletConfig& config_;
  Hooks hooks_;
  std::map<std::uint64_t, Ask> asks_;             // by ticket
  std::map<std::string, std::uint64_t> tickets_;  // by request id
  std::map<LeaseId, Lease> leases_;
  std::map<WorkerId, LeaseId> by_worker_;
  std::uint64_t last_ticket_ = 0;
  bool is_stepping_ = false;
  bool step_again_ = false;
  Timer reclaim_timer_;
  Lifetime alive_;
};

}  // namespace mobula::raylet
