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

#include <map>
#include <memory>
#include <vector>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/attempt_observer.h"
#include "components/core_worker/owner/by_id.h"
#include "components/core_worker/owner/handoff_releases.h"
#include "components/core_worker/owner/references.h"
#include "components/core_worker/owner/submitted_task.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class TaskTable final : public AttemptObserver {
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
  TaskTable(Deps deps, Config config)
      : deps_(deps), config_(config), handoffs_(deps.loop, deps.references, deps.peers) {}

  /// \param kind names the sender that the task is lent to when its arguments are ready.
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

  void OnResult(SubmittedTask& task, std::uint32_t index, ResultValue result, IsLast is_last,
                const WorkerPlace& where) override;
  void OnFailed(SubmittedTask& task, const Error& error, const WorkerPlace& where) override;
  void OnArgumentsMissing(SubmittedTask& task, const protocol::TaskResult& result) override;
  void OnLost(SubmittedTask& task, const Error& error, Charge charge) override;
  void OnRefused(SubmittedTask& task, const Error& error) override;
  void OnWithdrawn(SubmittedTask& task) override;

  [[nodiscard]] std::size_t unfinished_count() const { return records_.size() - lineage_.size(); }
  [[nodiscard]] std::size_t lineage_count() const { return lineage_.size(); }
  void Stop();
  void CheckInvariants() const;

 private:
  enum class State : std::uint8_t { kWaiting, kLent, kLineage };
  struct Record : SubmittedTask {  // 56 bytes
    std::int32_t retries_left = 0;
    std::uint32_t reconstructions_left : 28 = 0;
    std::uint32_t has_stored : 1 = 0;      ///< A result of this attempt is in a store.
    std::uint32_t has_references : 1 = 0;  ///< One refers to objects that its worker holds for us.
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
  void SetResult(Record& record, std::uint32_t index, ResultValue& result);
  void ReportPulledArguments(const Record& record, const WorkerPlace& where);
  void Retry(Record& record, const Error& error, Charge charge);
  void Fail(Record& record, const Error& error);
  void KeepLineage(Record& record);
  void MakeAgain(Record& record);
  void ForgetLineage(Record& record);
  void Drop(Record& record);
  void DropUnneeded();

  Deps deps_;
  Config config_;
  SetById<Record> records_;
  std::map<std::uint64_t, Lineage> lineage_;  // oldest first: exactly the records that are kLineage
  std::uint64_t last_lineage_ = 0;
  std::uint64_t lineage_bytes_ = 0;
  std::vector<TaskId> maybe_unneeded_;
  HandoffReleases handoffs_;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
