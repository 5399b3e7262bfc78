#include "components/core_worker/execution.h"

#include "components/base/check.h"
#include "components/core_worker/methods.h"
#include "components/core_worker/status_codec.h"

namespace mobula::core_worker {

Execution::Execution(Deps deps, std::function<void(const TaskSpec&)> on_run)
    : deps_(deps), on_run_(std::move(on_run)) {}

void Execution::Start(const JobId& job, const Program& program, StoreClient& store,
                      TaskExecutor* executor) {
  job_ = job;
  program_ = program;
  store_ = &store;
  executor_ = executor;
  is_started_ = true;
  for (Early& early : std::exchange(early_, {})) {
    OpenLease(early.request, *early.peer, std::move(early.respond));
    for (PushTasksRequest& push : early.pushes) PushTasks(std::move(push));
  }
}

void Execution::OpenLease(const OpenLeaseRequest& request, rpc::Peer& peer,
                          rpc::Respond<OpenLeaseReply> respond) {
  if (!is_started_) {
    early_.push_back({&peer, request, std::move(respond), {}});
    return;
  }
  respond(Open(request, peer));
}

Result<OpenLeaseReply> Execution::Open(const OpenLeaseRequest& request, rpc::Peer& peer) {
  if (executor_ == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "a driver runs no tasks of others");
  }
  if (request.program().hash() != program_.hash()) {
    return Fail(ErrorCode::kVersionMismatch,
                "the worker runs program '{}' (hash {:.8}), the task is of '{}' (hash {:.8})",
                program_.build(), program_.hash(), request.program().build(),
                request.program().hash());
  }
  if (request.job_id() != job_.Binary()) {
    return Fail(ErrorCode::kVersionMismatch, "the worker runs job {}, the task is of job {}",
                job_.Hex(), ToHex(request.job_id()));
  }
  // We serve one lease at a time: an older one of this owner has ended.
  std::erase_if(leases_, [&](const auto& entry) { return entry.second->link->peer == &peer; });
  std::shared_ptr<OwnerLink>& link = links_[&peer];
  if (link == nullptr) link = std::make_shared<OwnerLink>(&peer);
  auto lease = std::make_shared<ServedLease>();
  lease->id = LeaseId::FromBinaryOrNil(request.lease_id());
  lease->link = link;
  lease->owner = request.owner();
  leases_.insert_or_assign(lease->id, std::move(lease));
  return OpenLeaseReply();
}

void Execution::PushTasks(PushTasksRequest request) {
  for (Early& early : early_) {
    if (early.request.lease_id() != request.lease_id()) continue;
    early.pushes.push_back(std::move(request));
    return;
  }
  const auto lease = leases_.find(LeaseId::FromBinaryOrNil(request.lease_id()));
  if (lease == leases_.end()) return;  // refused; its owner knows
  for (TaskSpec& spec : *request.mutable_tasks()) {
    Queued task;
    task.lease = lease->second;
    task.spec = std::move(spec);
    if (blocked_ > 0) {
      GiveBack(std::move(task));
    } else {
      queue_.emplace(++last_sequence_, std::move(task));
    }
  }
  Step();
}

//! [execution-step]
/// Fetches for the first few and runs them in the order pushed: when we die, our owner charges the
/// oldest task that it has no answer for. Those behind a slow one are taken back soon.
void Execution::Step() {
  std::vector<Sequence> next;
  for (auto it = queue_.begin(); it != queue_.end() && next.size() < kPrefetchTasks; ++it) {
    next.push_back(it->first);
  }
  for (const Sequence sequence : next) {
    const auto it = queue_.find(sequence);
    if (it == queue_.end()) continue;
    if (!std::exchange(it->second.is_fetching, true)) Fetch(sequence, it->second);
    const bool is_next = it == queue_.begin() && it->second.arguments_missing == 0;
    if (!running_ && is_next) Run(TakeOut(it));
  }
}
//! [execution-step]

void Execution::Fetch(Sequence sequence, Queued& task) {
  task.arguments.resize(static_cast<std::size_t>(task.spec.arguments_size()));
  for (int i = 0; i < task.spec.arguments_size(); ++i) {
    Argument& argument = *task.spec.mutable_arguments(i);
    if (argument.has_stored()) {
      ++task.arguments_missing;
      FetchArgument(sequence, task, i);
    } else {
      task.arguments[static_cast<std::size_t>(i)] =
          Payload::FromString(std::move(*argument.mutable_value()));
    }
  }
}

void Execution::FetchArgument(Sequence sequence, Queued& task, int index) {
  const StoredArgument& argument = task.spec.arguments(index).stored();
  const ObjectId id(ObjectId::FromBinaryOrNil(argument.reference().id()));
  auto done = alive_.Bind([this, sequence, index](Result<Payload> value) {
    OnFetched(sequence, index, std::move(value));
  });
  if (argument.hint().copies().empty()) {
    task.holds.push_back(
        deps_.references.Hold(id, deps_.references.Intern(argument.reference().owner())));
    task.gets.push_back(deps_.getter.Get(task.holds.back(), std::move(done)));
    return;
  }
  ObjectHint hint;
  for (const Copy& copy : argument.hint().copies()) {
    hint.raylet_endpoints.push_back(copy.raylet_endpoint());
  }
  store_->Get(id, hint, std::move(done));
}

void Execution::OnFetched(Sequence sequence, int index, Result<Payload> value) {
  const auto it = queue_.find(sequence);
  if (it == queue_.end()) return;
  Queued& task = it->second;
  const StoredArgument& argument = task.spec.arguments(index).stored();
  if (value) {
    task.arguments[static_cast<std::size_t>(index)] = std::move(*value);
    --task.arguments_missing;
  } else if (value.error().code() == ErrorCode::kNotFound || argument.hint().copies().empty()) {
    // Its submitter finds out with the owner, and may have to make it again: on this CPU perhaps.
    std::string id = argument.reference().id();
    GiveBack(TakeOut(it), std::move(id));
  } else {
    const Queued failed = TakeOut(it);
    deps_.sender.Send(Begun(failed), Fail(Error(value.error()).Context("fetching an argument")));
  }
  Step();
}

RunningTask Execution::Begun(const Queued& task) const {
  return {.lease = task.lease,
          .id = TaskId::FromBinaryOrNil(task.spec.task_id()),
          .attempt = task.spec.attempt(),
          .result_count = task.spec.result_count(),
          .name = task.spec.name(),
          .started = deps_.loop.Now()};
}

void Execution::Run(Queued task) {
  running_ = Begun(task);
  on_run_(task.spec);
  executor_->Run({.spec = std::move(task.spec),
                  .owner = task.lease->owner,
                  .arguments = std::move(task.arguments)});
}

void Execution::FinishTask(Result<std::vector<TaskOutput>> outputs) {
  Check(running_.has_value(), "only a running task ends");
  Check(blocked_ == 0, "a task that ends does not wait for anything");
  const RunningTask done = *std::exchange(running_, std::nullopt);
  deps_.sender.Send(done, std::move(outputs));
  Step();
  if (!running_) deps_.sender.Flush();  // its owner has nothing else from us to wait for
}

void Execution::SetBlocked(bool blocked) {
  blocked_ += blocked ? 1 : -1;
  Check(blocked_ >= 0, "a task wakes as often as it blocked");
  if (blocked_ != (blocked ? 1 : 0)) return;  // nested
  SetBlockedRequest request;
  request.set_blocked(blocked);
  deps_.raylet.Notify(kSetBlocked, request);
  deps_.raylet.Flush();
  if (blocked) GiveBackAll();
}

void Execution::TakeBack(const TakeBackRequest& request) {
  const LeaseId lease = LeaseId::FromBinaryOrNil(request.lease_id());
  std::uint32_t kept = 0;
  for (auto it = queue_.begin(); it != queue_.end();) {
    const auto task = it++;
    if (task->second.lease->id != lease || kept++ < request.keep()) continue;
    GiveBack(TakeOut(task));
  }
  deps_.sender.Flush();
}

void Execution::GiveBackAll() {
  while (!queue_.empty()) GiveBack(TakeOut(queue_.begin()));
  deps_.sender.Flush();
}

void Execution::GiveBack(Queued task, std::string missing_id) {
  TaskResult result;
  result.set_task_id(task.spec.task_id());
  result.set_attempt(task.spec.attempt());
  result.set_unstarted(true);
  if (!missing_id.empty()) result.add_missing_ids(std::move(missing_id));
  deps_.sender.Add(task.lease, std::move(result));
}

Execution::Queued Execution::TakeOut(std::map<Sequence, Queued>::iterator task) {
  for (const WatchId get : task->second.gets) deps_.getter.Cancel(get);
  Queued taken = std::move(task->second);
  queue_.erase(task);
  return taken;
}

void Execution::OnPeerClosed(const rpc::Peer& peer) {
  std::erase_if(early_, [&](const Early& early) { return early.peer == &peer; });
  const auto link = links_.extract(&peer);
  if (link.empty()) return;
  deps_.sender.DropPeer(peer);
  link.mapped()->peer = nullptr;
  for (auto it = queue_.begin(); it != queue_.end();) {
    const auto task = it++;
    if (task->second.lease->link->peer == nullptr) TakeOut(task);
  }
  std::erase_if(leases_, [](const auto& entry) { return entry.second->link->peer == nullptr; });
  Step();
}

void Execution::Stop() {
  alive_.End();
  early_.clear();
  queue_.clear();
  leases_.clear();
  links_.clear();
  running_.reset();
}

}  // namespace mobula::core_worker
