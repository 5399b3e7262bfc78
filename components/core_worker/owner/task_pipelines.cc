#include "components/core_worker/owner/task_pipelines.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/protocol/convert.h"
#include "components/protocol/worker_methods.h"

namespace mobula::core_worker {
namespace {

/// What it costs us to submit a task and take its result: no need for workers that are faster.
constexpr Duration kFeedTime = std::chrono::nanoseconds(500);
/// Values of a message this small share its memory: what one of them keeps alive is not much.
constexpr std::size_t kSharedBytesMax = 4096;

}  // namespace

TaskPipelines::TaskPipelines(Deps deps, Config config)
    : deps_(deps), config_(config), stall_timer_(deps.loop) {}

// ---- from the queue to workers ----

void TaskPipelines::Assign(SchedulingGroup& group) {
  std::vector<LeasedWorker*> usable;
  std::size_t total = group.ready.size();
  for (LeasedWorker* worker : group.workers) {
    // One that is reclaimed still gets its first task: it is given up after at least one, or two
    // owners could take it from each other for ever.
    if (worker->is_reclaimed && worker->is_used) continue;
    usable.push_back(worker);
    total += worker->in_flight.size();
  }
  if (!usable.empty() && !group.ready.empty()) {
    const auto slow = std::ranges::stable_partition(
        usable, [](const LeasedWorker* worker) { return !worker->is_stalled; });
    if (FedMax(group) < usable.size() - slow.size()) usable.resize(FedMax(group));
    // First everybody gets an equal share, so that none idles; then windows are filled.
    const std::size_t fair_share = (total + usable.size() - 1) / usable.size();
    for (const std::size_t limit : {fair_share, config_.tasks_max}) {
      for (LeasedWorker* worker : usable) {
        const std::size_t target = std::min(limit, Window(*worker));
        while (worker->in_flight.size() < target && !group.ready.empty() &&
               worker->outbox.size() < kInlineBytesPerMessage) {  // until it is open
          SubmittedTask& task = *group.ready.front();
          const bool is_shared = !worker->in_flight.empty();
          if (is_shared &&
              (task.kind->runs_once() || worker->in_flight.back()->kind->runs_once())) {
            break;
          }
          group.ready.pop_front();
          Push(*worker, task);
        }
      }
    }
  }
  for (LeasedWorker* worker : group.workers) SendOutbox(*worker);
}

/// \return how many workers are worth having: more than we can feed only take each other's cores.
std::size_t TaskPipelines::FedMax(const SchedulingGroup& group) {
  if (!group.task_time) return SIZE_MAX;
  return 1 + static_cast<std::size_t>(*group.task_time / kFeedTime);
}

//! [lease-window]
std::size_t TaskPipelines::Window(const LeasedWorker& worker) const {
  if (worker.is_stalled || worker.is_reclaimed || !worker.group->task_time) return 1;
  const auto each = std::max<std::int64_t>(worker.group->task_time->count(), 1);
  const auto queued = static_cast<std::size_t>(config_.pipeline_time.count() / each);
  return std::min(1 + queued, config_.tasks_max);
}
//! [lease-window]

std::size_t TaskPipelines::MissingWorkers(const SchedulingGroup& group) const {
  const std::size_t tasks = group.ready.size();
  const auto is_stalled = [](const LeasedWorker* worker) { return worker->is_stalled; };
  if (!group.task_time || std::ranges::any_of(group.workers, is_stalled)) return tasks;
  const auto staying = static_cast<std::size_t>(std::ranges::count(
      group.workers, false, [](const LeasedWorker* worker) { return worker->is_reclaimed; }));
  // To ask for more than will be of use has the raylet ask us for the idle ones among our own.
  const auto late = static_cast<std::size_t>(tasks * *group.task_time / config_.pipeline_time);
  return std::min({tasks, staying == 0 ? std::max<std::size_t>(late, 1) : late,
                   std::max(FedMax(group), staying) - staying});
}

void TaskPipelines::Push(LeasedWorker& worker, SubmittedTask& task) {
  const TaskKind& kind = *task.kind;
  const auto slot = static_cast<std::uint32_t>(kind.number % kConstantsSlots);
  const TaskArguments* arguments = task.arguments.get();
  const bool is_plain = arguments == nullptr || arguments->references.empty();
  const std::string encoded = is_plain ? std::string() : arguments->Encode();
  const std::string_view bytes = arguments == nullptr ? std::string_view()
                                 : is_plain           ? arguments->values
                                                      : encoded;
  if (const std::size_t size = bytes.size() + kind.message.size(); size > kTaskBytesMax) {
    deps_.observer.OnRefused(
        task, Error(ErrorCode::kResourceExhausted,
                    fmt::format("its {} arguments need {} bytes, allowed are {}: pass one object "
                                "that holds them",
                                arguments == nullptr ? 0 : arguments->count, size, kTaskBytesMax)));
    return;
  }
  // What all tasks of a kind have in common is sent once per worker, before the first of them, and
  // again if another kind has taken its slot since.
  if (std::exchange(worker.kinds_sent[slot], kind.number) != kind.number) {
    AppendConstants(slot, kind.message, &worker.outbox);
  }
  AppendTask(task.id, task.attempt, slot, bytes, &worker.outbox);
  if (worker.in_flight.empty()) worker.progress = deps_.loop.Now();
  worker.is_used = true;
  worker.in_flight.push_back(&task);
  if (worker.outbox.size() >= kInlineBytesPerMessage) SendOutbox(worker);
  if (worker.in_flight.size() > 1 && !stall_timer_.IsSet()) {
    stall_timer_.Set(config_.stall_time, [this] { CheckStalled(); });
  }
}

void TaskPipelines::SendOutbox(LeasedWorker& worker) {
  if (!worker.is_open || worker.outbox.empty()) return;
  protocol::PushTasksRequest push;
  push.set_lease_id(std::string(worker.lease_id.Binary()));
  push.set_tasks(std::exchange(worker.outbox, {}));
  worker.client->Notify(protocol::kPushTasks, push);
  worker.client->Flush();
}

void TaskPipelines::OnOpened(LeasedWorker& worker) {
  worker.is_open = true;
  SendOutbox(worker);
  if (!worker.withdrawn.empty()) TakeBackWithdrawn(worker);
}

// ---- from workers back to the queue ----

void TaskPipelines::Balance(SchedulingGroup& group) {
  if (!group.ready.empty() || !group.task_time) return;
  LeasedWorker* longest = nullptr;
  bool is_any_idle = false;
  for (LeasedWorker* worker : group.workers) {
    is_any_idle |= worker->in_flight.empty() && !worker->is_reclaimed;
    if (worker->is_taking_back || !worker->is_open) continue;
    if (longest == nullptr || worker->in_flight.size() > longest->in_flight.size()) {
      longest = worker;
    }
  }
  if (!is_any_idle || longest == nullptr || longest->in_flight.size() < 3) return;
  const std::size_t unstarted = longest->in_flight.size() - 1;
  if (unstarted * *group.task_time < config_.pipeline_time / 2) return;  // soon done anyway
  TakeBack(*longest, unstarted / 2);
}

void TaskPipelines::TakeBack(LeasedWorker& worker, std::size_t keep) {
  if (!worker.is_open || worker.is_taking_back) return;
  worker.is_taking_back = true;
  protocol::TakeBackRequest request;
  request.set_lease_id(std::string(worker.lease_id.Binary()));
  request.set_keep(static_cast<std::uint32_t>(keep));
  worker.client->Notify(protocol::kTakeBack, request);
  worker.client->Flush();
}

// Tasks sit behind one that runs longer than any before it. Another worker may be free for them,
// and even if none is, their raylet should know that they wait.
void TaskPipelines::CheckStalled() {
  const TimePoint now = deps_.loop.Now();
  bool is_any_queued = false;
  for (const auto& [id, worker] : deps_.workers) {
    if (worker->in_flight.size() < 2 || worker->is_taking_back) continue;
    if (worker->is_open && now - worker->progress >= config_.stall_time) {
      worker->is_stalled = true;
      TakeBack(*worker, 0);
    } else {
      is_any_queued = true;
    }
  }
  if (is_any_queued) stall_timer_.Set(config_.stall_time, [this] { CheckStalled(); });
}

TaskSender::Withdrawal TaskPipelines::Withdraw(SubmittedTask& task) {
  SchedulingGroup& group = *task.kind->group;
  // Not pushed: nobody but us knows of it.
  if (std::erase(group.ready, &task) > 0) return TaskSender::Withdrawal::kWithdrawn;
  for (LeasedWorker* worker : group.workers) {
    const auto at = std::ranges::find(worker->in_flight, &task);
    if (at == worker->in_flight.end()) continue;
    // A worker runs in the order pushed: the first one runs, or will before a message arrives.
    if (at == worker->in_flight.begin()) return TaskSender::Withdrawal::kRunning;
    if (std::ranges::find(worker->withdrawn, &task) == worker->withdrawn.end()) {
      worker->withdrawn.push_back(&task);
      TakeBackWithdrawn(*worker);
    }
    return TaskSender::Withdrawal::kAsked;
  }
  // Its worker is lost: whether it ran is what we are about to be told.
  return TaskSender::Withdrawal::kRunning;
}

// Asks for all tasks from the first withdrawn one on; the others among them are pushed again. If
// the worker has been asked for something else, this is called again with its answer.
void TaskPipelines::TakeBackWithdrawn(LeasedWorker& worker) {
  for (std::size_t i = 1; i < worker.in_flight.size(); ++i) {
    if (std::ranges::find(worker.withdrawn, worker.in_flight[i]) == worker.withdrawn.end())
      continue;
    return TakeBack(worker, i - 1);
  }
}

// ---- what workers tell ----

Result<void> TaskPipelines::HandleTasksDone(LeasedWorker& worker, protocol::TasksDoneRequest done) {
  worker.progress = deps_.loop.Now();
  worker.is_taking_back = false;
  if (!CompleteValues(worker, std::move(*done.mutable_values()))) {
    return Fail(ErrorCode::kCorrupt, "the worker's results are not well formed");
  }
  std::vector<SubmittedTask*> given_back;
  for (protocol::TaskResult& result : *done.mutable_tasks()) {
    Complete(worker, std::move(result), given_back);
  }
  // They are older than what is queued here, so they come first again.
  std::deque<SubmittedTask*>& ready = worker.group->ready;
  ready.insert(ready.begin(), given_back.begin(), given_back.end());
  if (!worker.withdrawn.empty()) TakeBackWithdrawn(worker);
  return {};
}

/// A worker answers in the order pushed, as a rule.
SubmittedTask* TaskPipelines::RemoveInFlight(LeasedWorker& worker, std::string_view id,
                                             std::uint32_t attempt) {
  const auto it = std::ranges::find_if(worker.in_flight, [&](const SubmittedTask* task) {
    return task->id.Binary() == id && task->attempt == attempt;
  });
  if (it == worker.in_flight.end()) return nullptr;
  SubmittedTask* const task = *it;
  worker.in_flight.erase(it);
  return task;
}

void TaskPipelines::UpdateTaskTime(LeasedWorker& worker, Duration took) {
  worker.is_stalled = false;  // it gets on: what follows may be queued behind it again
  std::optional<Duration>& average = worker.group->task_time;
  average = average ? (*average * 4 + took) / 5 : took;
}

// Most tasks end so: in one value that refers to nothing. No message is decoded for them, and a
// small batch is not even copied.
bool TaskPipelines::CompleteValues(LeasedWorker& worker, std::string values) {
  if (values.empty()) return true;
  const Payload all = Payload::FromString(std::move(values));
  BatchReader reader(all.text());
  for (ValueEntry entry; reader.Next(&entry);) {
    SubmittedTask* const task = RemoveInFlight(worker, entry.id.Binary(), entry.attempt);
    if (task == nullptr) continue;  // an answer to an attempt that has ended for us, as below
    if (!worker.withdrawn.empty()) std::erase(worker.withdrawn, task);  // it was faster
    UpdateTaskTime(worker, Duration(entry.duration_ns));
    const auto place = static_cast<std::size_t>(entry.bytes.data() - all.text().data());
    ResultValue result{.state = all.size() <= kSharedBytesMax
                                    ? all.Slice(place, entry.bytes.size())
                                    : Payload::FromString(std::string(entry.bytes)),
                       .contained = {}};
    deps_.observer.OnResult(*task, 0, std::move(result), IsLast::kYes, worker.place);
  }
  return !reader.IsCorrupt();
}

// A worker tells how one pushed task ended.
void TaskPipelines::Complete(LeasedWorker& worker, protocol::TaskResult result,
                             std::vector<SubmittedTask*>& given_back) {
  // The answer may be late: the task was taken back meanwhile, or its attempt counts as lost.
  // Another worker has it then and will answer for it, so this message says nothing new.
  SubmittedTask* const task = RemoveInFlight(worker, result.task_id(), result.attempt());
  if (task == nullptr) return;
  const bool is_withdrawn = !worker.withdrawn.empty() && std::erase(worker.withdrawn, task) > 0;

  // It ran, well or not. Its duration teaches us how many tasks to queue behind a running one.
  if (!result.unstarted()) {
    UpdateTaskTime(worker, Duration(result.duration_ns()));
    if (result.has_failure()) {
      deps_.observer.OnFailed(*task, protocol::FromMessage(result.failure()), worker.place);
    } else {
      CompleteResults(*task, *result.mutable_results(), worker.place);
    }
    return;
  }

  // It never began, and nobody wants it to any more.
  if (is_withdrawn) return deps_.observer.OnWithdrawn(*task);

  // It never began. Whatever the reason, more tasks behind this worker would meet the same one, so
  // the worker gets one task at a time until one has finished.
  worker.is_stalled = true;
  if (result.missing_ids().empty()) {
    // The task in front of it blocks or runs long, or we asked for it back: any other worker can
    // take it.
    given_back.push_back(task);
  } else {
    // Its arguments were not where we had said. Their owner must find or remake them before it
    // runs.
    deps_.observer.OnArgumentsMissing(*task, result);
  }
}

void TaskPipelines::CompleteResults(SubmittedTask& task, protocol::Results& results,
                                    const WorkerPlace& where) {
  const int count = results.objects_size();
  if (count == 0) {
    return deps_.observer.OnFailed(
        task,
        Error(ErrorCode::kInternal, "task " + task.kind->name + " was answered without results"),
        where);
  }
  for (int i = 0; i < count; ++i) {
    protocol::ObjectResult& object = *results.mutable_objects(i);
    ResultValue result;
    std::string_view owner;
    result.contained.reserve(static_cast<std::size_t>(object.contained_size()));
    for (const protocol::Reference& reference : object.contained()) {
      if (!reference.owner().empty()) owner = reference.owner();  // else: of the one before
      result.contained.push_back({ObjectId(ObjectId::FromBinaryOrNil(reference.id())), owner});
    }
    if (object.has_stored()) {
      result.state = FromMessage(object.stored());
    } else {
      result.state = Payload::FromString(std::move(*object.mutable_inline_value()));
    }
    deps_.observer.OnResult(task, static_cast<std::uint32_t>(i), std::move(result),
                            i + 1 == count ? IsLast::kYes : IsLast::kNo, where);
  }
}

void TaskPipelines::Stop() { stall_timer_.Cancel(); }

void TaskPipelines::CheckInvariants() const {
  for (const auto& [id, worker] : deps_.workers) {
    Check(worker->outbox.empty() || !worker->in_flight.empty(),
          "what is not sent yet is in flight");
    Check(worker->in_flight.size() <= config_.tasks_max, "the pipeline bound is kept");
    for (const SubmittedTask* task : worker->withdrawn) {
      Check(std::ranges::count(worker->in_flight, task) == 1, "what is withdrawn is in flight");
    }
  }
}

}  // namespace mobula::core_worker
