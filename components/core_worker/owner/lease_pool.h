/// \file
/// \brief Leased workers, and which task is pushed to which of them.
///
/// A raylet is asked for a *worker*, not for a task: a lease is kept while there is work of its key
/// and a little longer, so most tasks reach a worker with no third process on the way.
///
///            RequestLease            OpenLease            last task done, nothing queued
///     (none) ───────────► requested ───────────► open ─ busy ⇄ idle ──lease_idle_max──► returned
///                          │  ▲                    │     │      └──reclaimed─────────────▲
///                   spill, │  │ target away        │     └─reclaimed: no new tasks, ─────┤
///                          └──┘                    │       unstarted ones taken back ────┘
///                                                  └─connection or node lost─► lost ──why─► gone
///
/// *Window*: how many tasks a worker may have: one that runs, and behind it as many as take
/// `pipeline_time` together by the measured mean. If that guess was wrong (a task runs long while
/// others sit behind it) the unstarted ones are taken back after `stall_time`, and the lease gets
/// one task at a time until it has finished one. A task that may not be retried has its worker to
/// itself: if that is lost, exactly this task is charged. Called by: core_worker.cc.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/base/random.h"
#include "components/base/resources.h"
#include "components/core_worker/owner/submitted_task.h"
#include "components/core_worker/task_codec.h"
#include "components/protocol/raylet.pb.h"
#include "components/protocol/worker.pb.h"
#include "components/transport/rpc/client_pool.h"
#include "mobula/scheduling_strategy.h"

namespace mobula::core_worker {

/// What a lease is asked for. Tasks of one key may run on each other's leases.
struct SchedulingKey {
  ResourceSet resources;
  SchedulingStrategy strategy;
  std::uint32_t depth = 0;

  /// \return all of the above, for comparing and ordering.
  [[nodiscard]] std::string Text() const;
};

struct Lease;

/// All tasks and leases of one scheduling key.
struct SchedulingGroup {
  SchedulingKey key;
  std::deque<SubmittedTask*> ready;
  std::vector<Lease*> leases;  ///< By age.
  std::set<LeaseId> requests;
  std::optional<Duration> task_time;  ///< Mean of late; nullopt: none has finished yet.
  bool is_dirty = false;              ///< To be pumped.
};

/// One worker that is ours for a while.
struct Lease {
  LeaseId id;
  SchedulingGroup* group = nullptr;
  protocol::Address worker;
  WorkerPlace place;
  std::shared_ptr<rpc::Client> client;   ///< Owners: the pool of peers and this lease.
  std::deque<SubmittedTask*> in_flight;  ///< In the order pushed, which is that of running.
  std::string outbox;                    ///< The last of `in_flight`, encoded and not sent yet.
  /// By slot of task_codec.h: the kind whose constants the worker has there.
  std::array<std::uint64_t, kConstantsSlots> kinds_sent{};
  bool is_open = false;       ///< Pushes may be sent.
  bool is_used = false;       ///< Has been given a task.
  bool is_wanted = false;     ///< Somebody waits: returned when idle.
  bool is_reclaimed = false;  ///< Others have waited long: gets one task at least, then none.
  bool is_stalled = false;    ///< One task at a time until one has finished.
  bool is_taking_back = false;
  TimePoint progress{};  ///< When it last answered or became busy; when idle: since when.
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it. A lent task outlives its
/// loan; every loan ends in exactly one call to the observer.
class LeasePool {
 public:
  struct Deps {
    EventLoop& loop;
    rpc::ClientPool& peers;
    rpc::Client& raylet;
    EventLog& log;
    PushObserver& observer;
  };
  struct Config {
    std::size_t lease_requests_max;
    std::size_t pipeline_tasks_max;
    Duration pipeline_time;
    Duration lease_idle_max;
    Duration stall_time = std::chrono::milliseconds(10);
    Duration backoff_min = std::chrono::milliseconds(20);  ///< After an unreachable spill target.
    Duration backoff_max = std::chrono::seconds(1);
    /// Failures of one request in a row: then, unless some lease of its key does work, the tasks
    /// of that key fail.
    std::uint32_t request_failures_max = 60;
  };
  LeasePool(Deps deps, Config config, Random random);
  ~LeasePool();

  /// Completes construction. \pre before the first `Enqueue`.
  void SetSelf(const protocol::Address& self, const JobId& job, const protocol::Program& program,
               std::string raylet_endpoint);

  /// \return where tasks of this key queue. Owners: their kinds and this pool.
  [[nodiscard]] std::shared_ptr<SchedulingGroup> GroupFor(SchedulingKey key);
  /// Takes a task on loan; it is pushed soon, with others, or when a worker is free.
  void Enqueue(SubmittedTask& task);
  /// Pushes now if there is a batch of them, so that workers begin while more are submitted.
  void PushIfMany();

  // What others tell us.
  void OnTasksDone(protocol::TasksDoneRequest done);
  void OnReclaim(const protocol::ReclaimLeasesRequest& reclaim);
  void OnNodeDied(const NodeId& node, const std::string& reason);

  [[nodiscard]] std::size_t lease_count() const { return leases_.size() + lost_.size(); }
  [[nodiscard]] std::size_t request_count() const { return requests_.size(); }
  /// Drops all loans silently and returns nothing: our raylet takes everything back with us.
  void Stop();
  void CheckInvariants() const;

 private:
  using Group = SchedulingGroup;
  /// One unanswered RequestLease.
  struct Request {
    Group* group = nullptr;
    std::string endpoint;  ///< Of the raylet that has it.
    NodeId node;           ///< Of that raylet.
    std::uint32_t hops = 0;
    std::uint32_t failures = 0;
    std::unique_ptr<Timer> retry;
  };
  /// A lease whose worker is lost, until its raylet has told why.
  struct Lost {
    NodeId node;
    std::string raylet_endpoint;
    std::string reason;  ///< Of the lost connection.
    std::deque<SubmittedTask*> in_flight;
  };

  // lease_pool.cc: tasks to leases
  void MarkDirty(Group& group);
  void SchedulePump(void (EventLoop::*how)(EventLoop::Callback));
  void PumpDirty();
  void Pump(Group& group);
  void Assign(Group& group);
  void Push(Lease& lease, SubmittedTask& task);
  void SendOutbox(Lease& lease);
  void Balance(Group& group);
  void TakeBack(Lease& lease, std::size_t keep);
  void CheckStalled();
  void ReturnIdle();
  [[nodiscard]] static std::size_t FedMax(const Group& group);
  [[nodiscard]] std::size_t Window(const Lease& lease) const;
  SubmittedTask* TakeInFlight(Lease& lease, std::string_view id, std::uint32_t attempt);
  void Measure(Lease& lease, Duration took);
  bool SettleValues(Lease& lease, std::string values);
  void Settle(Lease& lease, protocol::TaskResult result, std::vector<SubmittedTask*>& given_back);

  // lease_requests.cc: leases from raylets
  void AdjustRequests(Group& group);
  void NewRequest(Group& group, std::uint32_t failures);
  void Ask(const LeaseId& id);
  void OnAnswer(const LeaseId& id, const std::string& endpoint,
                Result<protocol::RequestLeaseReply> answer);
  void OnGrant(Group& group, const std::string& endpoint, const protocol::Grant& grant);
  void AskAgainAtHome(const LeaseId& id, const Error& why);
  void CancelRequest(const LeaseId& id);
  Group& Erase(const LeaseId& request);
  void Refuse(Group& group, const Error& error);
  [[nodiscard]] rpc::Client& RayletAt(const std::string& endpoint);
  void KeepLeases(rpc::Peer& raylet);

  // lease_end.cc: leases back to raylets
  void OnOpened(const LeaseId& id, const Result<protocol::OpenLeaseReply>& reply);
  void WatchWorker(const std::string& endpoint, rpc::Client& client);
  void OnWorkerLost(const std::string& endpoint, const Error& reason);
  void Return(Lease& lease);
  void SendReturn(const std::string& raylet, const std::string& lease);
  void Lose(Lease& lease, const Error& reason);
  void LoseAll(const std::function<bool(const Lease&)>& is_lost, const Error& reason);
  void FreeResults(const LeaseId& id, const Result<protocol::EndLostWorkerReply>& end);
  void FinishLost(const LeaseId& id, const Result<protocol::EndLostWorkerReply>& answer);
  std::unique_ptr<Lease> Take(Lease& lease);

  Deps deps_;
  Config config_;
  Random random_;
  protocol::Address self_;
  NodeId node_;
  JobId job_;
  protocol::Program program_;
  std::string raylet_endpoint_;
  std::map<std::string, std::shared_ptr<Group>> groups_;  // by key text
  std::size_t groups_prune_at_ = 64;
  std::map<LeaseId, std::unique_ptr<Lease>> leases_;
  std::map<LeaseId, Request> requests_;
  std::map<LeaseId, Lost> lost_;
  std::map<std::string, std::weak_ptr<rpc::Client>> known_raylets_;  // hear `KeepLeases`
  std::set<std::string> watched_workers_;  // endpoints whose client tells us of its end
  std::vector<Group*> dirty_;              // to pump at the end of this turn
  bool is_pump_due_ = false;
  std::size_t enqueued_ = 0;  // since the last pump
  Timer stall_timer_;
  Timer idle_timer_;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
