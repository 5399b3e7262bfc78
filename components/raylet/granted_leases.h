/// \file
/// \brief The leases that are out on this node: who holds each, on which worker, and how it ends.
///
///     Add ──► held ──Return, or not named in Keep──────► over: its worker is idle again
///              │ ▲ └──its worker, owner, node or job ended──► over: its worker is killed
///   connection │ │ Keep
///      lost    ▼ │
///           orphaned ──lease_orphan_grace──► over: its worker is killed
///
/// When requests wait and leases are out, their holders are told (`Reclaim`): first to return idle
/// ones, and after `lease_share` to return busy ones too if somebody else waits. So a lease may be
/// kept for as long as nobody else needs it, and is shared out in slices when somebody does; owners
/// take turns.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/protocol/raylet.pb.h"
#include "components/raylet/raylet_config.h"
#include "components/raylet/worker_pool.h"
#include "components/scheduler/scheduler.h"
#include "components/transport/rpc/peer.h"

namespace mobula::raylet {

/// One owner's right to push tasks to one worker, and what it holds of the node.
struct GrantedLease {
  WorkerId worker;
  WorkerId owner;
  NodeId owner_node;
  JobId job;
  ResourceSet resources;
  TimePoint granted{};
  rpc::Peer* peer = nullptr;  ///< The holder's connection; null while it is lost.
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class GrantedLeases {
 public:
  struct Deps {
    EventLoop& loop;
    scheduler::Scheduler& scheduler;
    WorkerPool& pool;
    EventLog& log;
  };
  /// \param on_freed resources were given back or lent, or are held again: requests may go on.
  GrantedLeases(Deps deps, const RayletConfig& config, std::function<void()> on_freed);

  /// \pre the scheduler has granted the resources, and the pool has handed out the worker.
  void Add(const LeaseId& id, GrantedLease lease);
  /// The owner needs the lease no more; its worker is idle and may be lent to others.
  void Return(const LeaseId& id);
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
  /// A connection that held leases is lost: its owner has `lease_orphan_grace` to come back.
  void OnPeerClosed(rpc::Peer& peer);
  void EndJob(const JobId& job);
  /// Tells holders that requests of the `waiting` owners wait; each holder once for each reason.
  /// \return true if some lease has not had its share yet: to be called again after `lease_share`.
  [[nodiscard]] bool Reclaim(const std::set<WorkerId>& waiting);

  [[nodiscard]] std::size_t size() const { return leases_.size(); }
  void CheckInvariants() const;

 private:
  enum class Told : std::uint8_t { kNothing, kIfIdle, kReclaimed };
  enum class Worker : std::uint8_t { kGoesOn, kEnded };
  struct Record {
    GrantedLease lease;
    bool is_blocked = false;
    Told told = Told::kNothing;     // of those who wait, since the holder connected
    std::unique_ptr<Timer> orphan;  // set while the holder's connection is lost
  };
  void End(const LeaseId& id, Worker worker);
  /// Ends a lease and kills its worker: nobody waits for what it runs.
  void EndAndKill(const LeaseId& id);
  void EndAll(const std::function<bool(const GrantedLease&)>& is_over);

  Deps deps_;
  const RayletConfig& config_;
  std::function<void()> on_freed_;
  std::map<LeaseId, Record> leases_;
  std::map<WorkerId, LeaseId> by_worker_;
  Lifetime alive_;
};

}  // namespace mobula::raylet
