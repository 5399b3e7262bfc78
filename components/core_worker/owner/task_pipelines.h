/// \file
/// \brief Which task is pushed to which leased worker, and how many are queued there.
///
/// *Window*: how many tasks a worker may have: one that runs, and behind it as many as take
/// `pipeline_time` together by the moving average of recent durations. If that guess was wrong (a
/// task runs long while others sit behind it) the unstarted ones are taken back after `stall_time`,
/// and the worker gets one task at a time until it has finished one. A task that may not be retried
/// has its worker to itself: if that is lost, exactly this task is charged.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/leased_worker.h"
#include "components/core_worker/owner/task_sender.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker {

/// All leased workers of this process, by lease.
using LeasedWorkers = std::map<LeaseId, std::unique_ptr<LeasedWorker>>;

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class TaskPipelines {
 public:
  struct Deps {
    EventLoop& loop;
    AttemptObserver& observer;
    const LeasedWorkers& workers;
  };
  struct Config {
    std::size_t tasks_max;  ///< Pushed and unfinished, per worker.
    Duration pipeline_time;
    Duration stall_time;
  };
  TaskPipelines(Deps deps, Config config);

  /// Pushes queued tasks to workers that have room for them.
  void Assign(SchedulingGroup& group);
  /// \return how many more workers the tasks that are left could use: fewer than tasks, if those we
  ///         have will have done them before another could begin, or are as many as we can feed.
  [[nodiscard]] std::size_t MissingWorkers(const SchedulingGroup& group) const;
  /// Takes tasks back that are queued at one worker while another is idle.
  void Balance(SchedulingGroup& group);
  /// Asks for unstarted tasks, but for the first `keep` of them.
  void TakeBack(LeasedWorker& worker, std::size_t keep);
  /// The worker knows us: what waits for it is sent.
  void OnOpened(LeasedWorker& worker);
  /// Results, failures, and tasks given back; these are queued again, first in their group.
  /// \return kCorrupt if they are not well formed; the worker should be given up.
  [[nodiscard]] Result<void> HandleTasksDone(LeasedWorker& worker, protocol::TasksDoneRequest done);
  /// As `TaskSender::Withdraw`.
  [[nodiscard]] TaskSender::Withdrawal Withdraw(SubmittedTask& task);
  void Stop();
  void CheckInvariants() const;

 private:
  void Push(LeasedWorker& worker, SubmittedTask& task);
  void SendOutbox(LeasedWorker& worker);
  void CheckStalled();
  void TakeBackWithdrawn(LeasedWorker& worker);
  [[nodiscard]] static std::size_t FedMax(const SchedulingGroup& group);
  [[nodiscard]] std::size_t Window(const LeasedWorker& worker) const;
  static SubmittedTask* RemoveInFlight(LeasedWorker& worker, std::string_view id,
                                       std::uint32_t attempt);
  static void UpdateTaskTime(LeasedWorker& worker, Duration took);
  [[nodiscard]] bool CompleteValues(LeasedWorker& worker, std::string values);
  void Complete(LeasedWorker& worker, protocol::TaskResult result,
                std::vector<SubmittedTask*>& given_back);
  void CompleteResults(SubmittedTask& task, protocol::Results& results, const WorkerPlace& where);

  Deps deps_;
  Config config_;
  Timer stall_timer_;
};

}  // namespace mobula::core_worker
