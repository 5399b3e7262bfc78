/// \file
/// \brief Every task this process submitted: until it has ended, and after that as lineage.
///
///     Submit ─► kWaiting ──arguments ready──► kLent ──results──► kLineage ──► (gone)
///                  ▲                            │                   │   results released, or
///                  ├──────── retry ─────────────┤                   │   lineage_bytes_max
///                  │                            └─no retry left, or inline results only─► (gone)
///                  └──────────── a result was lost: made again ─────┘
///
/// Lineage is what is needed to make stored results again: the specification, inline arguments, and
/// the ids of stored ones (their lineage, not their bytes). What was `Put`, or is owned by others,
/// and is freed meanwhile cannot come back: the task then ends in kObjectLost. Called by:
/// core_worker.cc. Book: \ref ch_one_task.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/by_id.h"
#include "components/core_worker/owner/references.h"
#include "components/core_worker/owner/submitted_task.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class TaskTable final : public PushObserver {
 public:
  struct Deps {
    EventLoop& loop;
    ReferenceTable& references;
    rpc::ClientPool& peers;
    EventLog& log;
  };
  struct Config {
    std::uint64_t lineage_bytes_max;
    std::uint32_t reconstructions_max;
    std::uint32_t missing_max = 20;  ///< Times a task comes back because arguments were not found.
  };
  /// \param enqueue lends a task whose arguments are ready to the lease pool.
  TaskTable(Deps deps, Config config, std::function<void(SubmittedTask&)> enqueue);

  /// \param arguments null if there are none.
  /// \return a reference per result. The task runs when its arguments are known; an argument that
  ///         ended in an error is the task's error.
  [[nodiscard]] std::vector<internal::ReferencePtr> Submit(
      const TaskId& id, TaskKindPtr kind, std::unique_ptr<TaskArguments> arguments);

  /// The last copy of an object of ours is gone: makes it again, or sets kObjectLost and why.
  void OnObjectLost(const ObjectId& id);
  /// An object of ours is forgotten; lineage that served only it goes too.
  void OnObjectReleased(const ObjectId& id);
  /// \return what a message calls the object: by its task and what that does, if it is ours.
  [[nodiscard]] std::string Describe(const ObjectId& id) const;

  void OnValue(SubmittedTask& task, Payload value, const WorkerPlace& where) override;
  void OnFinished(SubmittedTask& task, protocol::TaskResult result,
                  const WorkerPlace& where) override;
  void OnArgumentsMissing(SubmittedTask& task, const protocol::TaskResult& result) override;
  void OnLost(SubmittedTask& task, const Error& error, Charge charge) override;
  void OnRefused(SubmittedTask& task, const Error& error) override;

  [[nodiscard]] std::size_t unfinished_count() const { return records_.size() - lineage_.size(); }
  [[nodiscard]] std::size_t lineage_count() const { return lineage_.size(); }
  void Stop();
  void CheckInvariants() const;

 private:
  enum class State : std::uint8_t { kWaiting, kLent, kLineage };
  struct Record : SubmittedTask {  // 56 bytes
    std::int32_t retries_left = 0;
    std::uint32_t reconstructions_left : 30 = 0;
    State state : 2 = State::kWaiting;
    std::uint64_t lineage_number = 0;  ///< Its key in `lineage_`, when kLineage.
  };
  struct Lineage {
    TaskId id;
    std::uint64_t bytes = 0;
  };

  static Record& Of(SubmittedTask& task);
  [[nodiscard]] bool IsAnyResultOwned(const Record& record) const;
  void Resolve(Record& record);
  void Enqueue(Record& record);
  void OnArgumentKnown(const TaskId& id, std::size_t index, const ObjectState& state);
  static void SetArgument(TaskArguments& arguments, std::size_t index, const ObjectState& state);
  bool HasAllResults(Record& record, int count);
  bool SetResults(Record& record, protocol::Results& results, const WorkerPlace& where);
  void ReportPulledArguments(const Record& record, const WorkerPlace& where);
  void Retry(Record& record, const Error& error, Charge charge);
  void Fail(Record& record, const Error& error);
  void KeepLineage(Record& record);
  void MakeAgain(Record& record);
  void ForgetLineage(Record& record);
  void Drop(Record& record);
  void DropUnneeded();
  void QueueHandoffRelease(const TaskId& id, const WorkerPlace& where);

  Deps deps_;
  Config config_;
  std::function<void(SubmittedTask&)> enqueue_;
  SetById<Record> records_;
  std::map<std::uint64_t, Lineage> lineage_;  // oldest first: exactly the records that are kLineage
  std::uint64_t last_lineage_ = 0;
  std::uint64_t lineage_bytes_ = 0;
  std::vector<TaskId> maybe_unneeded_;
  std::map<std::string, protocol::ReleaseHandoffRequest>
      handoffs_;  // by worker endpoint, for this turn
  Lifetime alive_;
};

}  // namespace mobula::core_worker
