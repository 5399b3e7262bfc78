#include "components/core_worker/task_table.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/core_worker/methods.h"
#include "components/core_worker/status_codec.h"

namespace mobula::core_worker {
namespace {

ObjectId IdOf(const Reference& reference) {
  return ObjectId(ObjectId::FromBinaryOrNil(reference.id()));
}

}  // namespace

TaskTable::TaskTable(Deps deps, Config config, std::function<void(SubmittedTask&)> enqueue)
    : deps_(deps), config_(config), enqueue_(std::move(enqueue)) {}

TaskTable::~TaskTable() = default;

std::vector<internal::ReferencePtr> TaskTable::Submit(Submission submission) {
  auto owned = std::make_unique<Record>();
  Record& record = *owned;
  record.task.id = submission.id;
  record.task.spec = std::move(submission.spec);
  record.task.key = std::move(submission.key);
  record.max_retries = record.retries_left = submission.max_retries;
  record.task.runs_once = submission.max_retries == 0;
  record.reconstructions_left = config_.reconstructions_max;
  record.missing_left = config_.missing_max;
  record.holds = std::move(submission.holds);
  Check(records_.emplace(submission.id, std::move(owned)).second, "a task is submitted once");

  std::vector<internal::ReferencePtr> results;
  results.reserve(record.task.spec.result_count());
  for (std::uint32_t i = 0; i < record.task.spec.result_count(); ++i) {
    const ObjectId id = ObjectId::OfTask(submission.id, i);
    deps_.references.AddOwned(id);
    results.push_back(deps_.references.Hold(id, deps_.references.self()));
  }
  Resolve(record);
  return results;
}

void TaskTable::Resolve(Record& record) {
  Check(record.watches.empty(), "a task whose arguments are looked up was not waiting for any");
  record.state = State::kWaiting;
  SubmittedTask& task = record.task;
  task.inline_arguments.clear();
  task.inline_bytes = 0;
  for (const Argument& argument : task.spec.arguments()) {
    task.inline_bytes += argument.value().size();
  }
  for (int i = 0; i < task.spec.arguments_size(); ++i) {
    if (!task.spec.arguments(i).has_stored()) continue;
    const ObjectId id = IdOf(task.spec.arguments(i).stored().reference());
    const ObjectState state = deps_.references.Peek(id);
    if (const Error* error = std::get_if<Error>(&state)) return Fail(record, *error);
    if (!std::holds_alternative<Pending>(state)) {
      SetArgument(record, i, state);
      continue;
    }
    record.watches[i] = deps_.references.Watch(
        id, alive_.Bind([this, task_id = task.id, i](const ObjectId&, const ObjectState& known) {
          OnArgumentKnown(task_id, i, known);
        }));
  }
  if (!record.watches.empty()) return;
  record.state = State::kLent;
  enqueue_(task);
}

void TaskTable::OnArgumentKnown(const TaskId& id, int index, const ObjectState& state) {
  const auto it = records_.find(id);
  if (it == records_.end() || it->second->watches.erase(index) == 0) return;
  Record& record = *it->second;
  if (const Error* error = std::get_if<Error>(&state)) return Fail(record, *error);
  SetArgument(record, index, state);
  if (!record.watches.empty()) return;
  record.state = State::kLent;
  enqueue_(record.task);
}

void TaskTable::SetArgument(Record& record, int index, const ObjectState& state) {
  SubmittedTask& task = record.task;
  StoredArgument* stored = task.spec.mutable_arguments(index)->mutable_stored();
  stored->clear_hint();
  if (const auto* in_store = std::get_if<InStore>(&state)) {
    *stored->mutable_hint() = ToMessage(*in_store);
    return;
  }
  const Payload& value = std::get<Payload>(state);
  if (task.inline_bytes + value.size() > kInlineBytesPerMessage) return;  // the worker asks for it
  task.inline_bytes += value.size();
  task.inline_arguments.emplace_back(index, value);
}

void TaskTable::OnFinished(SubmittedTask& task, TaskResult result, const WorkerPlace& where) {
  Record& record = Of(task);
  ReportPulledArguments(record, where);
  if (result.has_failure()) {
    const Error error = FromMessage(result.failure());
    if (error.code() == ErrorCode::kTaskFailed && task.spec.retry_exceptions()) {
      Retry(record, error, Charge::kOneRetry);
    } else {
      Fail(record, error);
    }
    return;
  }
  if (static_cast<std::uint32_t>(result.results().objects_size()) != task.spec.result_count()) {
    Fail(record, Error(ErrorCode::kInternal,
                       fmt::format("task {} was answered with {} results, not {}", task.spec.name(),
                                   result.results().objects_size(), task.spec.result_count())));
    return;
  }
  const bool is_any_stored = SetResults(record, *result.mutable_results(), where);
  if (is_any_stored && record.max_retries != 0 && IsAnyResultOwned(record)) {
    KeepLineage(record);
  } else {
    Drop(task.id);
  }
}

bool TaskTable::SetResults(Record& record, Results& results, const WorkerPlace& where) {
  const TaskId& task = record.task.id;
  bool is_any_stored = false;
  bool is_handed_over = false;
  for (int i = 0; i < results.objects_size(); ++i) {
    ObjectResult& object = *results.mutable_objects(i);
    const ObjectId id = ObjectId::OfTask(task, static_cast<std::uint32_t>(i));
    std::vector<internal::ReferencePtr> contained;
    OwnerPtr owner;
    for (const Reference& reference : object.contained()) {
      if (!reference.owner().empty()) owner = deps_.references.Intern(reference.owner());
      contained.push_back(deps_.references.Hold(IdOf(reference), owner));
      is_handed_over = true;
    }
    const ObjectState known = deps_.references.Peek(id);
    if (object.has_stored()) {
      is_any_stored = true;
      InStore stored = FromMessage(object.stored());
      if (std::holds_alternative<InStore>(known)) {  // it was made again for a sibling's sake
        for (auto& [node, endpoint] : stored.copies) {
          deps_.references.AddCopy(id, node, std::move(endpoint));
        }
      } else {
        deps_.references.SetState(id, std::move(stored), std::move(contained));
      }
    } else if (std::holds_alternative<Pending>(known)) {
      deps_.references.SetState(id, Payload::FromString(std::move(*object.mutable_inline_value())),
                                std::move(contained));
    }
  }
  if (is_handed_over) QueueHandoffRelease(task, where);
  return is_any_stored;
}

void TaskTable::ReportPulledArguments(const Record& record, const WorkerPlace& where) {
  for (const Argument& argument : record.task.spec.arguments()) {
    if (!argument.has_stored() || argument.stored().hint().copies_size() == 0) continue;
    const auto& copies = argument.stored().hint().copies();
    if (std::any_of(copies.begin(), copies.end(),
                    [&](const Copy& copy) { return copy.node_id() == where.node.Binary(); })) {
      continue;
    }
    const ObjectId id = IdOf(argument.stored().reference());
    if (deps_.references.IsOwned(id)) {
      deps_.references.AddCopy(id, where.node, where.raylet_endpoint);
    } else {
      deps_.references.ReportCopy(id, where.node, where.raylet_endpoint);
    }
  }
}

void TaskTable::QueueHandoffRelease(const TaskId& id, const WorkerPlace& where) {
  const bool is_first = handoffs_.empty();
  handoffs_[where.worker_endpoint].add_task_ids(std::string(id.Binary()));
  if (!is_first) return;
  deps_.loop.Post(alive_.Bind([this] {
    deps_.references.AfterBorrowsAcknowledged(
        alive_.Bind([this, batch = std::exchange(handoffs_, {})] {
          for (const auto& [endpoint, request] : batch) {
            deps_.peers.Get(endpoint)->Notify(kReleaseHandoff, request);
          }
        }));
  }));
}

void TaskTable::OnArgumentsMissing(SubmittedTask& task, const TaskResult& result) {
  Record& record = Of(task);
  if (record.missing_left-- == 0) {
    Fail(record, Error(ErrorCode::kObjectLost,
                       fmt::format("arguments of task {} were not found {} times where their "
                                   "owners said they are",
                                   task.spec.name(), config_.missing_max)));
    return;
  }
  for (const Argument& argument : task.spec.arguments()) {
    const auto& missing = result.missing_ids();
    if (!argument.has_stored() || std::find(missing.begin(), missing.end(),
                                            argument.stored().reference().id()) == missing.end()) {
      continue;
    }
    std::vector<std::string> endpoints;
    for (const Copy& copy : argument.stored().hint().copies()) {
      endpoints.push_back(copy.raylet_endpoint());
    }
    if (!endpoints.empty()) {
      deps_.references.ReportMissing(IdOf(argument.stored().reference()), std::move(endpoints));
    }
  }
  Resolve(record);
}

void TaskTable::OnLost(SubmittedTask& task, const Error& error, Charge charge) {
  Retry(Of(task), error, charge);
}

void TaskTable::OnRefused(SubmittedTask& task, const Error& error) {
  Fail(Of(task), Error(error).Context("task " + task.spec.name()));
}

void TaskTable::Retry(Record& record, const Error& error, Charge charge) {
  SubmittedTask& task = record.task;
  if (charge == Charge::kOneRetry) {
    if (record.retries_left == 0) {
      const bool is_first = record.max_retries == 0;
      Fail(record, is_first ? error
                            : Error(error).Context(
                                  fmt::format("the last of {} attempts", record.max_retries + 1)));
      return;
    }
    if (record.retries_left > 0) --record.retries_left;
    deps_.log.Info("task", "retried", "task={} name={} attempt={} left={} cause={}",
                   task.id.Short(), task.spec.name(), task.spec.attempt() + 1, record.retries_left,
                   ErrorCodeName(error.code()));
  }
  task.spec.set_attempt(task.spec.attempt() + 1);  // even if free: its children may have begun
  Resolve(record);
}

void TaskTable::Fail(Record& record, const Error& error) {
  const TaskId id = record.task.id;
  for (std::uint32_t i = 0; i < record.task.spec.result_count(); ++i) {
    const ObjectId result = ObjectId::OfTask(id, i);
    if (std::holds_alternative<Pending>(deps_.references.Peek(result))) {
      deps_.references.SetState(result, error);
    }
  }
  Drop(id);
}

// ---- lineage ----

bool TaskTable::IsAnyResultOwned(const Record& record) const {
  for (std::uint32_t i = 0; i < record.task.spec.result_count(); ++i) {
    if (deps_.references.IsOwned(ObjectId::OfTask(record.task.id, i))) return true;
  }
  return false;
}

void TaskTable::KeepLineage(Record& record) {
  std::erase_if(record.holds, [&](const internal::ReferencePtr& held) {
    const ObjectState state = deps_.references.Peek(held->id);
    const bool is_owned = deps_.references.IsOwned(held->id);
    if (std::holds_alternative<Payload>(state)) return false;  // its bytes are here and counted
    if (is_owned && !std::holds_alternative<InStore>(state)) return false;
    const bool is_new = record.lineage_of.emplace(held->id, held->owner).second;
    if (is_new && is_owned) deps_.references.AddLineage(held->id);
    return true;
  });
  record.state = State::kLineage;
  record.lineage_bytes =
      sizeof(Record) + record.task.spec.ByteSizeLong() + record.task.inline_bytes;
  lineage_bytes_ += record.lineage_bytes;
  record.lineage_place = lineage_.insert(lineage_.end(), record.task.id);
  while (lineage_bytes_ > config_.lineage_bytes_max) Drop(TaskId(lineage_.front()));
}

void TaskTable::OnObjectLost(const ObjectId& id) {
  const auto lose = [&](std::string why) {
    deps_.references.SetState(
        id, Error(ErrorCode::kObjectLost,
                  fmt::format("object {}: no copy is left, and {}", id.Hex(), std::move(why))));
  };
  const auto it = records_.find(id.Task());
  if (it == records_.end()) {
    lose(id.IsPut() ? "a Put object cannot be made again"
                    : fmt::format("its task {} cannot run again: max_retries is 0, or its lineage "
                                  "was dropped at lineage_bytes_max",
                                  id.Task().Short()));
    return;
  }
  Record& record = *it->second;
  if (record.state != State::kLineage) return;  // on its way already
  if (record.reconstructions_left == 0) {
    lose(fmt::format("its task {} was run again {} times, which is reconstructions_max",
                     record.task.spec.name(), config_.reconstructions_max));
    return;
  }
  deps_.references.SetPending(id);
  MakeAgain(record);
}

void TaskTable::MakeAgain(Record& record) {
  SubmittedTask& task = record.task;
  --record.reconstructions_left;
  record.retries_left = record.max_retries;
  record.missing_left = config_.missing_max;
  lineage_.erase(record.lineage_place);
  lineage_bytes_ -= record.lineage_bytes;
  task.spec.set_attempt(task.spec.attempt() + 1);
  deps_.log.Info("task", "made_again", "task={} name={} attempt={}", task.id.Short(),
                 task.spec.name(), task.spec.attempt());
  for (const auto& [id, owner] : record.lineage_of) {
    record.holds.push_back(deps_.references.Hold(id, owner));
    // Looking at a released object makes it again; those inside values are not waited for.
    deps_.references.Unwatch(deps_.references.Watch(id, nullptr));
  }
  Resolve(record);
}

void TaskTable::OnObjectReleased(const ObjectId& id) {
  if (!records_.contains(id.Task())) return;
  if (maybe_unneeded_.empty()) deps_.loop.Post(alive_.Bind([this] { DropUnneeded(); }));
  if (maybe_unneeded_.empty() || maybe_unneeded_.back() != id.Task()) {
    maybe_unneeded_.push_back(id.Task());
  }
}

/// A worklist and not recursion: dropping the end of a chain of a million tasks drops all of it.
void TaskTable::DropUnneeded() {
  for (std::size_t i = 0; i < maybe_unneeded_.size(); ++i) {
    const auto it = records_.find(maybe_unneeded_[i]);
    if (it == records_.end() || it->second->state != State::kLineage) continue;
    if (!IsAnyResultOwned(*it->second)) Drop(TaskId(it->first));
  }
  maybe_unneeded_.clear();
}

void TaskTable::Drop(const TaskId& id) {
  const auto it = records_.find(id);
  const std::unique_ptr<Record> record = std::move(it->second);
  records_.erase(it);
  for (const auto& [index, watch] : record->watches) deps_.references.Unwatch(watch);
  if (record->state == State::kLineage) {
    lineage_.erase(record->lineage_place);
    lineage_bytes_ -= record->lineage_bytes;
  }
  for (const auto& [id, owner] : record->lineage_of) deps_.references.RemoveLineage(id);
}

TaskTable::Record& TaskTable::Of(const SubmittedTask& task) {
  const auto it = records_.find(task.id);
  Check(it != records_.end(), "a lent task is in the table");
  Check(it->second->state == State::kLent, "an attempt ends once");
  return *it->second;
}

std::string TaskTable::Describe(const ObjectId& id) const {
  const auto it = records_.find(id.Task());
  if (it == records_.end()) return "object " + id.Short();
  const auto& [task, state] = std::tie(it->second->task, it->second->state);
  return fmt::format("the result of task {}, which {}", task.spec.name(),
                     state == State::kWaiting ? "waits for its arguments"
                     : state == State::kLent  ? "waits for a worker or runs"
                                              : "has ended");
}

void TaskTable::Stop() {
  alive_.End();
  records_.clear();
  lineage_.clear();
  lineage_bytes_ = 0;
}

void TaskTable::CheckInvariants() const {
  std::size_t lineage_records = 0;
  for (const auto& [id, record] : records_) {
    if (record->state == State::kLineage) ++lineage_records;
    Check(record->watches.empty() == (record->state != State::kWaiting),
          "a task waits exactly while an argument is unknown");
  }
  Check(lineage_records == lineage_.size(), "the lineage list is the lineage records");
}

}  // namespace mobula::core_worker
