/// \file
/// \brief The worker's side: pushed tasks wait here for their arguments and their turn.
///
///     PushTasks ─► queued ─► fetching ─► ready ──a free lane──► running ──last result──► TasksDone
///                    └──────────┴──────────┴─► given back: taken back, all running tasks wait,
///                                              or an argument is not where the owner was told
///
/// A task that has not begun can always be given back and costs no retry. So nothing sits behind a
/// blocked task, and no worker is held by a task whose argument must be made again first.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "components/base/lifetime.h"
#include "components/core_worker/core_worker.h"
#include "components/core_worker/owner/object_getter.h"
#include "components/core_worker/worker/lanes.h"
#include "components/core_worker/worker/result_sender.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class Execution {
 public:
  struct Deps {
    EventLoop& loop;
    rpc::Client& raylet;
    ReferenceTable& references;
    ObjectGetter& getter;
    ResultSender& sender;
  };
  explicit Execution(Deps deps) : deps_(deps) {}
  /// What arrived before is looked at now. \param executor null for a driver.
  void Start(const JobId& job, const protocol::Program& program, object_store::StoreClient& store,
             TaskExecutor* executor);

  /// Answers kVersionMismatch if we are another program, or work for another job; names both. An
  /// owner may be faster than the raylet's welcome: before `Start` it waits, and so do its tasks.
  void OpenLease(const protocol::OpenLeaseRequest& request, rpc::Peer& peer,
                 rpc::Respond<protocol::OpenLeaseReply> respond);
  /// Queues a batch. kCorrupt if it makes no sense: the connection it came over should end.
  [[nodiscard]] Result<void> PushTasks(protocol::PushTasksRequest request);
  void TakeBack(const protocol::TakeBackRequest& request);
  /// An owner is gone: its queued tasks are dropped; the result of a running one will be.
  void OnPeerClosed(const rpc::Peer& peer);

  /// Of a running task: as `CoreWorker` says.
  void OnResult(RunningTask& task, std::uint32_t index, TaskOutput output, IsLast is_last);
  void OnTaskFailed(RunningTask& task, const Error& error);
  void SetBlocked(RunningTask& task, bool blocked);
  /// \return the running task if there is exactly one, else null.
  [[nodiscard]] TaskHandle SoleTask() { return lanes_.Sole(); }
  [[nodiscard]] std::size_t task_count() const { return queue_.size() + lanes_.running_count(); }
  void Stop();

 private:
  static constexpr std::size_t kPrefetchTasks = 8;  // whose arguments are fetched at a time
  using Sequence = std::uint64_t;
  /// Arguments that are not in the task itself.
  struct Fetching {
    std::vector<std::pair<std::size_t, protocol::StoredArgument>>
        stored;  ///< By index of argument.
    std::size_t missing = 0;
    bool is_begun = false;
    std::vector<internal::ReferencePtr> holds;  ///< Of those asked for by reference.
    std::vector<WatchId> gets;
  };
  struct Queued {
    Sequence sequence = 0;
    PushedTask task;
    std::vector<Payload> arguments;
    std::unique_ptr<Fetching> fetching;  ///< Null: all arguments are here.

    [[nodiscard]] bool IsReady() const { return fetching == nullptr || fetching->missing == 0; }
  };
  using Queue = std::deque<Queued>;
  struct Early {
    rpc::Peer* peer;
    protocol::OpenLeaseRequest request;
    rpc::Respond<protocol::OpenLeaseReply> respond;
    std::vector<protocol::PushTasksRequest> pushes;
  };
  [[nodiscard]] Result<protocol::OpenLeaseReply> Open(const protocol::OpenLeaseRequest& request,
                                                      rpc::Peer& peer);
  Result<void> Decode(const ServedLeasePtr& lease, std::string tasks);
  static bool DecodeArguments(const Payload& batch, std::string_view bytes, Queued& task);
  void Step(TimePoint now);
  void Fetch(Queued& task);
  void OnFetched(Sequence sequence, std::size_t place, Result<Payload> value);
  [[nodiscard]] Queue::iterator Find(Sequence sequence);
  void Run(Queued task, TimePoint now);
  void OnTaskEnded(TimePoint now);
  void TellBlocked();
  void GiveBack(Queued task, std::string missing_id = {});
  void GiveBackAll();
  Queued TakeOut(Queue::iterator task);
  void StopFetching(const Queued& task);

  Deps deps_;
  bool is_started_ = false;
  std::vector<Early> early_;  // in order of arrival
  JobId job_;
  protocol::Program program_;
  object_store::StoreClient* store_ = nullptr;
  TaskExecutor* executor_ = nullptr;
  std::map<LeaseId, ServedLeasePtr> leases_;
  std::map<const rpc::Peer*, std::shared_ptr<OwnerLink>> links_;  // found, never walked
  Queue queue_;                                                   // in the order pushed
  Sequence last_sequence_ = 0;
  Lanes lanes_;
  bool is_blocked_ = false;  // as the raylet was told last
  Lifetime alive_;
};

}  // namespace mobula::core_worker
