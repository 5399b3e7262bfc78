/// \file
/// \brief Sends tasks to leased workers: the `TaskSender` of stateless tasks.
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
/// The pool keeps the workers and their groups. Its parts decide: `LeaseRequests` how more workers
/// are asked for, `TaskPipelines` which worker gets which task, `LostWorkers` what becomes of tasks
/// whose worker is lost. Called by: core_worker.cc. Book: \ref ch_one_task.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/base/random.h"
#include "components/core_worker/owner/lease_requests.h"
#include "components/core_worker/owner/leased_worker.h"
#include "components/core_worker/owner/lost_workers.h"
#include "components/core_worker/owner/raylet_clients.h"
#include "components/core_worker/owner/task_pipelines.h"
#include "components/core_worker/owner/task_sender.h"
#include "components/protocol/raylet.pb.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class LeasePool final : public TaskSender {
 public:
  struct Deps {
    EventLoop& loop;
    rpc::ClientPool& peers;
    rpc::Client& raylet;
    EventLog& log;
    AttemptObserver& observer;
  };
  struct Config {
    std::size_t lease_requests_max;
    std::size_t pipeline_tasks_max;
    Duration pipeline_time;
    Duration lease_idle_max;
    Duration stall_time = std::chrono::milliseconds(10);
    Duration backoff_min = std::chrono::milliseconds(20);  ///< After an unreachable spill target.
    Duration backoff_max = std::chrono::seconds(1);
    /// Failures of one request in a row: then, unless some worker of its key works, the tasks of
    /// that key fail.
    std::uint32_t request_failures_max = 60;
  };
  LeasePool(Deps deps, Config config, Random random);
  ~LeasePool() override;

  /// Completes construction. \pre before the first `Enqueue`.
  void SetSelf(const protocol::Address& self, const JobId& job, const protocol::Program& program,
               std::string raylet_endpoint);

  /// \return where tasks of this key queue. Owners: their kinds and this pool.
  [[nodiscard]] std::shared_ptr<SchedulingGroup> GroupFor(SchedulingKey key);
  void Enqueue(SubmittedTask& task) override;
  [[nodiscard]] Withdrawal Withdraw(SubmittedTask& task) override;
  /// Pushes now if there is a batch of them, so that workers begin while more are submitted.
  void PushIfMany();

  // What others tell us.
  void OnTasksDone(protocol::TasksDoneRequest done);
  void OnReclaim(const protocol::ReclaimLeasesRequest& reclaim);
  void OnNodeDied(const NodeId& node, const std::string& reason);

  [[nodiscard]] std::size_t lease_count() const { return workers_.size() + lost_.size(); }
  [[nodiscard]] std::size_t request_count() const { return requests_.size(); }
  /// Drops all loans silently and returns nothing: our raylet takes everything back with us.
  void Stop();
  void CheckInvariants() const;

 private:
  using Group = SchedulingGroup;
  void MarkDirty(Group& group);
  void SchedulePump(void (EventLoop::*how)(EventLoop::Callback));
  void PumpDirty();
  void Pump(Group& group);

  void OnGrant(Group& group, const std::string& endpoint, const protocol::Grant& grant);
  void OnRefused(Group& group, const Error& error);
  void OpenLease(LeasedWorker& worker);
  void OnOpened(const LeaseId& id, const Result<protocol::OpenLeaseReply>& reply);
  void KeepLeases(rpc::Peer& raylet);

  void WatchWorker(const std::string& endpoint, rpc::Client& client);
  void LoseAll(const std::function<bool(const LeasedWorker&)>& is_lost, const Error& reason);
  void Lose(LeasedWorker& worker, const Error& reason);
  void Return(LeasedWorker& worker);
  void ReturnIdle();
  std::unique_ptr<LeasedWorker> Remove(LeasedWorker& worker);

  Deps deps_;
  Config config_;
  LeaseHolder self_;
  std::map<std::string, std::shared_ptr<Group>> groups_;  // by key text
  std::size_t groups_prune_at_ = 64;
  LeasedWorkers workers_;
  RayletClients raylets_;
  LeaseRequests requests_;
  TaskPipelines pipelines_;
  LostWorkers lost_;
  std::set<std::string> watched_workers_;  // endpoints whose client tells us of its end
  std::vector<Group*> dirty_;              // to pump at the end of this turn
  bool is_pump_due_ = false;
  std::size_t enqueued_ = 0;  // since the last pump
  Timer idle_timer_;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
