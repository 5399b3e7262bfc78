#include "components/core_worker/owner/task_table.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/core_worker/owner/task_sender.h"
#include "components/protocol/convert.h"

namespace mobula::core_worker {
namespace {

ObjectId IdOf(const protocol::Reference& reference) {
  return ObjectId(ObjectId::FromBinaryOrNil(reference.id()));
}

}  // namespace

std::vector<internal::ReferencePtr> TaskTable::Submit(const TaskId& id, TaskKindPtr kind,
                                                      std::unique_ptr<TaskArguments> arguments) {
  Record& record = records_.Add(SubmittedTask{id, std::move(kind), std::move(arguments), 0});
  record.retries_left = record.kind->options.max_retries;
  record.reconstructions_left = config_.reconstructions_max;
  if (record.arguments != nullptr) record.arguments->missing_left = config_.missing_max;

  // The results are ours before the task is sent: its answer must find them, and the caller may
  // pass them on at once.
  std::vector<internal::ReferencePtr> results;
  results.reserve(record.kind->result_count);
  for (std::uint32_t i = 0; i < record.kind->result_count; ++i) {
    results.push_back(deps_.references.NewOwned(ObjectId::OfTask(id, i)));
  }
  Resolve(record);
  return results;
}

void TaskTable::Resolve(Record& record) {
  record.state = State::kWaiting;
  if (record.arguments == nullptr) return Enqueue(record);
  TaskArguments& arguments = *record.arguments;
  // Whatever an earlier attempt was told of its arguments may be out of date: look again.
  Check(arguments.unknown == 0, "a task whose arguments are looked up was not waiting for any");
  arguments.ForgetValues();
  for (std::size_t i = 0; i < arguments.references.size(); ++i) {
    TaskArguments::ByReference& argument = arguments.references[i];
    const ObjectId id = IdOf(argument.stored.reference());
    const ObjectState state = deps_.references.Peek(id);
    // An argument that ended in an error is this task's error: it never runs.
    if (const Error* error = std::get_if<Error>(&state)) return Fail(record, *error);
    if (!std::holds_alternative<Pending>(state)) {
      arguments.SetState(i, state);
      continue;
    }
    // Not known yet. The task stays here until it is, and takes up no worker meanwhile.
    ++arguments.unknown;
    argument.watch = deps_.references.Watch(
        id, alive_.Bind([this, task_id = record.id, i](const ObjectId&, const ObjectState& known) {
          OnArgumentKnown(task_id, i, known);
        }));
  }
  if (arguments.unknown == 0) Enqueue(record);
}

void TaskTable::Enqueue(Record& record) {
  // The sender has the task from here until it tells how the attempt ended. The flags are of this
  // attempt alone: what an earlier one stored, this one may return inline.
  record.state = State::kLent;
  record.has_stored = 0;
  record.has_references = 0;
  record.kind->sender->Enqueue(record);
}

void TaskTable::OnArgumentKnown(const TaskId& id, std::size_t index, const ObjectState& state) {
  Record* found = records_.Find(id);
  if (found == nullptr) return;  // it has failed already, by another argument
  Record& record = *found;
  TaskArguments& arguments = *record.arguments;
  if (std::exchange(arguments.references[index].watch, 0) == 0) return;
  --arguments.unknown;
  if (const Error* error = std::get_if<Error>(&state)) return Fail(record, *error);
  arguments.SetState(index, state);
  if (arguments.unknown == 0) Enqueue(record);
}

// ---- how attempts end ----

void TaskTable::OnResult(SubmittedTask& task, std::uint32_t index, ResultValue result,
                         IsLast is_last, const WorkerPlace& where) {
  Record& record = Of(task);
  // That it has a result means that its worker had all arguments: new copies are there.
  if (index == 0) ReportPulledArguments(record, where);
  const std::uint32_t count = record.kind->result_count;
  if (index < count) SetResult(record, index, result);
  if (is_last == IsLast::kNo) return;
  // We hold by now what the results refer to. When their owners know that, the worker may let go.
  if (record.has_references) handoffs_.Add(record.id, where.worker_endpoint);
  // A result that does not come would be waited for for ever, so those that are left get an error.
  if (index + 1 != count) {
    return Fail(record, Error(ErrorCode::kInternal,
                              fmt::format("task {} was answered with {} results, not {}",
                                          record.kind->name, index + 1, count)));
  }
  // Inline results are here and cannot be lost. Stored ones can: as long as somebody holds one, the
  // task is remembered to make it again, unless it may not begin twice.
  const bool is_lineage =
      record.has_stored && !record.kind->runs_once() && IsAnyResultOwned(record);
  is_lineage ? KeepLineage(record) : Drop(record);
}

void TaskTable::OnFailed(SubmittedTask& task, const Error& error, const WorkerPlace& where) {
  Record& record = Of(task);
  ReportPulledArguments(record, where);
  // What the function itself threw is its result, unless the user asked to have it tried again.
  if (error.code() == ErrorCode::kTaskFailed && record.kind->options.retry_exceptions) {
    return Retry(record, error, Charge::kOneRetry);
  }
  Fail(record, error);
}

void TaskTable::SetResult(Record& record, std::uint32_t index, ResultValue& result) {
  OwnedObjects& owned = deps_.references.owned();
  const ObjectId id = ObjectId::OfTask(record.id, index);
  std::vector<internal::ReferencePtr> contained;
  // The value refers to other objects. It holds them for as long as it lives, and if they are not
  // ours, this makes us a borrower.
  if (!result.contained.empty()) {
    record.has_references = 1;
    OwnerPtr owner;
    for (const ContainedReference& reference : result.contained) {
      if (owner == nullptr || owner->address != reference.owner) {
        owner = deps_.references.Intern(reference.owner);
      }
      contained.push_back(deps_.references.Hold(reference.id, owner));
    }
  }
  auto* stored = std::get_if<InStore>(&result.state);
  if (stored == nullptr) {
    return owned.SetIfPending(id, std::move(result.state), std::move(contained));
  }
  // The bytes lie in the store of a node and may be lost with it. The task must be remembered then.
  record.has_stored = 1;
  if (!std::holds_alternative<InStore>(deps_.references.Peek(id))) {
    return owned.SetState(id, std::move(*stored), std::move(contained));
  }
  // The object is there already: its task ran again because a sibling of it was lost. The value
  // stays what it was, and has one copy more.
  for (const auto& [node, endpoint] : stored->copies) owned.AddCopy(id, node, endpoint);
}

// The worker's node pulled those stored arguments that it did not have. Their owners are told of
// the new copies: other readers may be sent there, and the copies must be freed with the object.
void TaskTable::ReportPulledArguments(const Record& record, const WorkerPlace& where) {
  if (record.arguments == nullptr) return;
  for (const TaskArguments::ByReference& argument : record.arguments->references) {
    const auto& copies = argument.stored.hint().copies();
    if (copies.empty()) continue;
    if (std::ranges::find(copies, where.node.Binary(), &protocol::Copy::node_id) != copies.end())
      continue;
    const ObjectId id = IdOf(argument.stored.reference());
    deps_.references.ReportCopy(id, where.node, where.raylet_endpoint);
  }
}

// The place where an argument was said to be had no copy. The owner of the argument is told, which
// names another copy or makes the object again, and the task waits for that. It costs the task no
// retry, as it never began; but an owner that is wrong again and again must not keep it for ever.
void TaskTable::OnArgumentsMissing(SubmittedTask& task, const protocol::TaskResult& result) {
  Record& record = Of(task);
  if (task.arguments == nullptr || task.arguments->missing_left-- == 0) {
    Fail(record, Error(ErrorCode::kObjectLost,
                       fmt::format("arguments of task {} were not found {} times where their "
                                   "owners said they are",
                                   task.kind->name, config_.missing_max)));
    return;
  }
  const auto& missing = result.missing_ids();
  for (const TaskArguments::ByReference& argument : task.arguments->references) {
    const std::string& id = argument.stored.reference().id();
    if (std::ranges::find(missing, id) == missing.end()) continue;
    std::vector<std::string> endpoints;
    for (const protocol::Copy& copy : argument.stored.hint().copies()) {
      endpoints.push_back(copy.raylet_endpoint());
    }
    if (!endpoints.empty()) {
      deps_.references.ReportMissing(IdOf(argument.stored.reference()), std::move(endpoints));
    }
  }
  Resolve(record);
}

void TaskTable::OnLost(SubmittedTask& task, const Error& error, Charge charge) {
  Retry(Of(task), error, charge);
}

void TaskTable::OnRefused(SubmittedTask& task, const Error& error) {
  // No worker can run it: no node is big enough, its arguments are too large, or no raylet answers.
  // Another attempt would end alike.
  Fail(Of(task), Error(error).Context("task " + task.kind->name));
}

void TaskTable::OnWithdrawn(SubmittedTask& task) {
  Record& record = Of(task);
  // It was asked back, so it does not run again; those who wait for its results must not wait on.
  Fail(record, Error(ErrorCode::kCancelled,
                     fmt::format("task {} was withdrawn before it began", record.kind->name)));
}

void TaskTable::Retry(Record& record, const Error& error, Charge charge) {
  // A task that sat behind another at a worker that died did nothing wrong: it goes on free.
  if (charge == Charge::kOneRetry) {
    const std::int32_t max_retries = record.kind->options.max_retries;
    if (record.retries_left == 0) {
      Fail(record, max_retries == 0 ? error
                                    : Error(error).Context(
                                          fmt::format("the last of {} attempts", max_retries + 1)));
      return;
    }
    if (record.retries_left > 0) --record.retries_left;  // -1: without end
    deps_.log.Info("task", "retried", "task={} name={} attempt={} left={} cause={}",
                   record.id.Short(), record.kind->name, record.attempt + 1, record.retries_left,
                   ErrorCodeName(error.code()));
  }
  ++record.attempt;  // even if free: its children may have begun
  Resolve(record);
}

void TaskTable::Fail(Record& record, const Error& error) {
  // Results that have a state keep it: they may have been read, and an object never changes.
  const TaskId id = record.id;
  for (std::uint32_t i = 0; i < record.kind->result_count; ++i) {
    deps_.references.owned().SetIfPending(ObjectId::OfTask(id, i), error);
  }
  Drop(record);
}

// ---- lineage ----

bool TaskTable::IsAnyResultOwned(const Record& record) const {
  for (std::uint32_t i = 0; i < record.kind->result_count; ++i) {
    if (deps_.references.owned().Has(ObjectId::OfTask(record.id, i))) return true;
  }
  return false;
}

// What the task needs to run again is kept: not the bytes of stored arguments, only their ids. So
// they may be freed, and are made again first if it comes to that.
void TaskTable::KeepLineage(Record& record) {
  std::uint64_t bytes = sizeof(Record);
  if (TaskArguments* arguments = record.arguments.get()) {
    std::erase_if(arguments->holds, [&](const internal::ReferencePtr& held) {
      const ObjectState state = deps_.references.Peek(held->id);
      const bool is_owned = deps_.references.owned().Has(held->id);
      if (std::holds_alternative<Payload>(state)) return false;  // its bytes are here and counted
      // It has no bytes that could be freed: it failed, or its own task is still on its way.
      if (is_owned && !std::holds_alternative<InStore>(state)) return false;
      // The bytes may go: this hold ends. An object of ours keeps its id and its own lineage, so
      // that it can be made again for this task.
      const bool is_new = arguments->lineage_of.emplace(held->id, held->owner).second;
      if (is_new && is_owned) deps_.references.owned().AddLineage(held->id);
      return true;
    });
    bytes += sizeof(TaskArguments) + arguments->inline_bytes;
    for (const auto& argument : arguments->references) bytes += argument.stored.ByteSizeLong();
  }
  record.state = State::kLineage;
  record.lineage_number = ++last_lineage_;
  lineage_[record.lineage_number] = {record.id, bytes};
  lineage_bytes_ += bytes;
  // The oldest goes first: its results are the likeliest to have been used up.
  while (lineage_bytes_ > config_.lineage_bytes_max) {
    Drop(*records_.Find(lineage_.begin()->second.id));
  }
}

void TaskTable::ForgetLineage(Record& record) {
  const auto it = lineage_.find(record.lineage_number);
  lineage_bytes_ -= it->second.bytes;
  lineage_.erase(it);
}

void TaskTable::OnObjectLost(const ObjectId& id) {
  const auto lose = [&](std::string why) {
    deps_.references.owned().SetState(
        id, Error(ErrorCode::kObjectLost,
                  fmt::format("object {}: no copy is left, and {}", id.Hex(), std::move(why))));
  };
  Record* found = records_.Find(id.Task());
  if (found == nullptr) {
    lose(id.IsPut() ? "a Put object cannot be made again"
                    : fmt::format("its task {} cannot run again: max_retries is 0, or its lineage "
                                  "was dropped at lineage_bytes_max",
                                  id.Task().Short()));
    return;
  }
  Record& record = *found;
  if (record.state != State::kLineage) return;  // on its way already
  if (record.reconstructions_left == 0) {
    lose(fmt::format("its task {} was run again {} times, which is reconstructions_max",
                     record.kind->name, config_.reconstructions_max));
    return;
  }
  // Readers wait from here on, just as they did before the task ran for the first time.
  deps_.references.owned().SetPending(id);
  MakeAgain(record);
}

// A finished task begins anew with all its retries: it is not its fault that a result was lost. How
// often that may happen is bounded all the same, or a cluster that loses nodes for ever would run
// one chain of tasks for ever.
void TaskTable::MakeAgain(Record& record) {
  --record.reconstructions_left;
  record.retries_left = record.kind->options.max_retries;
  ++record.attempt;
  ForgetLineage(record);
  deps_.log.Info("task", "made_again", "task={} name={} attempt={}", record.id.Short(),
                 record.kind->name, record.attempt);
  if (TaskArguments* arguments = record.arguments.get()) {
    arguments->missing_left = config_.missing_max;
    for (const auto& [id, owner] : arguments->lineage_of) {
      arguments->holds.push_back(deps_.references.Hold(id, owner));
      // It may have been freed since: then it is made again too. The task waits for its arguments
      // by itself; it does not wait for objects inside them.
      deps_.references.Want(id);
    }
  }
  Resolve(record);
}

void TaskTable::OnObjectReleased(const ObjectId& id) {
  if (records_.Find(id.Task()) == nullptr) return;
  // Not inside this call: the table may be in the midst of the very record.
  if (maybe_unneeded_.empty()) deps_.loop.Defer(alive_.Bind([this] { DropUnneeded(); }));
  if (maybe_unneeded_.empty() || maybe_unneeded_.back() != id.Task()) {
    maybe_unneeded_.push_back(id.Task());
  }
}

/// A worklist and not recursion: dropping the end of a chain of a million tasks drops all of it.
void TaskTable::DropUnneeded() {
  for (std::size_t i = 0; i < maybe_unneeded_.size();) {  // it grows on the way
    Record* record = records_.Find(maybe_unneeded_[i++]);
    if (record == nullptr || record->state != State::kLineage) continue;
    if (!IsAnyResultOwned(*record)) Drop(*record);
  }
  maybe_unneeded_.clear();
}

void TaskTable::Drop(Record& record) {
  // All that the task kept goes with it: its place in the list, its watches, whose callbacks would
  // find no record, and the ids of its arguments, which may be what they were kept for.
  if (record.state == State::kLineage) ForgetLineage(record);
  if (const TaskArguments* arguments = record.arguments.get()) {
    for (const auto& argument : arguments->references) {
      if (argument.watch != 0) deps_.references.Unwatch(argument.watch);
    }
    for (const auto& [held, owner] : arguments->lineage_of)
      deps_.references.owned().RemoveLineage(held);
  }
  records_.Erase(record);
}

TaskTable::Record& TaskTable::Of(SubmittedTask& task) {
  auto& record = static_cast<Record&>(task);
  Check(record.state == State::kLent, "an attempt ends once");
  return record;
}

std::string TaskTable::Describe(const ObjectId& id) const {
  const Record* record = records_.Find(id.Task());
  if (record == nullptr) return "object " + id.Short();
  const State state = record->state;
  return fmt::format("the result of task {}, which {}", record->kind->name,
                     state == State::kWaiting ? "waits for its arguments"
                     : state == State::kLent  ? "waits for a worker or runs"
                                              : "has ended");
}

void TaskTable::Stop() {
  alive_.End();
  handoffs_.Stop();
  records_.Clear();
  lineage_.clear();
  lineage_bytes_ = 0;
}

void TaskTable::CheckInvariants() const {
  std::size_t lineage_records = 0;
  records_.ForEach([&](const Record& record) {
    if (record.state == State::kLineage) ++lineage_records;
    const bool is_waiting = record.arguments != nullptr && record.arguments->unknown > 0;
    Check(is_waiting == (record.state == State::kWaiting),
          "a task waits exactly while an argument is unknown");
  });
  Check(lineage_records == lineage_.size(), "the lineage list is the lineage records");
}

}  // namespace mobula::core_worker
