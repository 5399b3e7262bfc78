/// \file
/// \brief Turns lease requests into grants: the scheduler decides, the worker pool provides.
///
///     RequestLease ─► pending ──Grant──► waiting for a worker ──► granted (reply)
///                        ├──SpillTo──► reply: ask that raylet
///                        └──Infeasible, after `infeasible_grace`──► reply: never, because …
///
/// The check at grant is authoritative: it is made on this node's own books. A request is pending
/// until it is answered; what is granted goes on in `GrantedLeases`.
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
#include "components/raylet/granted_leases.h"
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
    std::function<void()> on_change;  ///< Books or queue changed: the GCS is told.
  };
  LeaseManager(Deps deps, const RayletConfig& config, Hooks hooks);

  /// Answers with a grant, another raylet or why never. kAlreadyExists: a request of this id is
  /// pending; kInvalidArgument: a malformed one; kResourceExhausted: too many are queued, or no
  /// worker may be started; kUnavailable: ask again.
  void Request(protocol::RequestLeaseRequest request, rpc::Peer& peer,
               rpc::Respond<protocol::RequestLeaseReply> respond);
  /// The owner no longer wants an answer. A grant that is on its way all the same is undone.
  void Cancel(const std::string& request_id);
  /// A connection that held lease requests or leases is lost.
  void OnPeerClosed(rpc::Peer& peer);
  void EndJob(const JobId& job);
  /// Asks the scheduler again; call after news of nodes.
  void Step();
  /// \return what waits here and why, for `status`.
  [[nodiscard]] std::vector<protocol::Demand> Demands() const;
  /// \return the leases that are out, to which all messages about a lease go.
  [[nodiscard]] GrantedLeases& granted() { return granted_; }
  [[nodiscard]] const GrantedLeases& granted() const { return granted_; }
  [[nodiscard]] std::size_t pending_count() const { return requests_.size(); }
  void CheckInvariants() const;

 private:
  struct PendingRequest {
    protocol::RequestLeaseRequest request;
    rpc::Peer* peer = nullptr;
    rpc::Respond<protocol::RequestLeaseReply> respond;
    bool is_decided = false;            // no longer in the scheduler's queue: granted or spilled
    std::unique_ptr<Timer> infeasible;  // the grace in which a big enough node may join
  };
  void Apply(scheduler::action::Grant grant);
  void Apply(scheduler::action::SpillTo spill);
  void Apply(scheduler::action::Reject reject);
  void Apply(scheduler::action::Infeasible never);
  void FinishGrant(const scheduler::action::Grant& grant, Result<protocol::Address> worker);
  void ReplySpill(const scheduler::action::SpillTo& spill, const Result<void>& shared);
  void FailInfeasible(std::uint64_t ticket, std::string reason);
  void Drop(std::uint64_t ticket);
  void CancelAll(const std::function<bool(const PendingRequest&)>& over);
  /// Tells the holders of leases that requests wait, again and again while they do.
  void Reclaim();

  Deps deps_;
  const RayletConfig& config_;
  Hooks hooks_;
  std::map<std::uint64_t, PendingRequest> requests_;  // by ticket
  std::map<std::string, std::uint64_t> tickets_;      // by request id
  GrantedLeases granted_;
  std::uint64_t last_ticket_ = 0;
  bool is_stepping_ = false;
  bool step_again_ = false;
  Timer reclaim_timer_;
  Lifetime alive_;
};

}  // namespace mobula::raylet
