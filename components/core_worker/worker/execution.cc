#include "components/core_worker/worker/execution.h"

#include <algorithm>
#include <span>
#include <utility>

#include "components/base/check.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker.pb.h"
#include "mobula/internal/writer.h"

namespace mobula::core_worker {
namespace {

Error CorruptBatch() { return {ErrorCode::kCorrupt, "a batch of tasks is not well formed"}; }

}  // namespace

void Execution::Start(const JobId& job, const protocol::Program& program,
                      object_store::StoreClient& store, TaskExecutor* executor) {
  job_ = job;
  program_ = program;
  store_ = &store;
  executor_ = executor;
  if (executor != nullptr) lanes_.Open(executor->lane_count());
  is_started_ = true;
  // An owner may learn our address from the raylet before we have read the raylet's answer. What it
  // sent meanwhile is handled now, in the order in which it came.
  for (Early& early : std::exchange(early_, {})) {
    OpenLease(early.request, *early.peer, std::move(early.respond));
    for (protocol::PushTasksRequest& push : early.pushes) {
      if (!PushTasks(std::move(push))) early.peer->Break(CorruptBatch());
    }
  }
}

void Execution::OpenLease(const protocol::OpenLeaseRequest& request, rpc::Peer& peer,
                          rpc::Respond<protocol::OpenLeaseReply> respond) {
  if (!is_started_) {
    early_.push_back({&peer, request, std::move(respond), {}});
    return;
  }
  respond(Open(request, peer));
}

Result<protocol::OpenLeaseReply> Execution::Open(const protocol::OpenLeaseRequest& request,
                                                 rpc::Peer& peer) {
  // Each refusal below is a mistake of the owner's, or a file that changed under a running job. The
  // owner gets both names, because only a person can put it right.
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
  const LeaseId id = LeaseId::FromBinaryOrNil(request.lease_id());
  // The same call may come twice. Tasks of the lease may be queued already, so it must not be made
  // anew.
  const auto known = leases_.find(id);
  if (known != leases_.end() && known->second->link->peer == &peer)
    return protocol::OpenLeaseReply();
  // A worker is leased to one owner at a time, so an older lease of this owner has ended.
  std::erase_if(leases_, [&](const auto& entry) { return entry.second->link->peer == &peer; });
  std::shared_ptr<OwnerLink>& link = links_[&peer];
  if (link == nullptr) link = std::make_shared<OwnerLink>(&peer);
  auto lease = std::make_shared<ServedLease>();
  lease->id = id;
  lease->link = link;
  lease->owner = request.owner();
  leases_.insert_or_assign(lease->id, std::move(lease));
  return protocol::OpenLeaseReply();
}

Result<void> Execution::PushTasks(protocol::PushTasksRequest request) {
  // The lease itself still waits for our start, and so do its tasks.
  for (Early& early : early_) {
    if (early.request.lease_id() != request.lease_id()) continue;
    early.pushes.push_back(std::move(request));
    return {};
  }
  const auto lease = leases_.find(LeaseId::FromBinaryOrNil(request.lease_id()));
  // We refused this lease, or it has ended. Its owner was told and pushes these tasks elsewhere.
  if (lease == leases_.end()) return {};
  Result<void> decoded = Decode(lease->second, std::move(*request.mutable_tasks()));
  // All running tasks wait, perhaps for these very tasks: they must run elsewhere.
  if (lanes_.AreStuck()) GiveBackAll();
  Step(deps_.loop.Now());
  return decoded;
}

Result<void> Execution::Decode(const ServedLeasePtr& lease, std::string tasks) {
  const Payload batch = Payload::FromString(std::move(tasks));
  BatchReader reader(batch.text());
  for (TaskEntry entry; reader.Next(&entry);) {
    TaskConstantsPtr& constants = lease->constants[entry.slot];
    // What is the same for many tasks is sent once and named by a slot from then on. Queued tasks
    // share the old value, so a slot that is filled anew changes nothing for them.
    if (entry.is_constants) {
      auto message = std::make_shared<protocol::TaskConstants>();
      if (!message->ParseFromArray(entry.bytes.data(), static_cast<int>(entry.bytes.size()))) {
        return Fail(CorruptBatch());
      }
      constants = std::move(message);
      continue;
    }
    if (constants == nullptr) return Fail(CorruptBatch());  // a task of a slot never filled
    Queued& task = queue_.emplace_back();
    task.sequence = ++last_sequence_;
    task.task = {.lease = lease, .id = entry.id, .attempt = entry.attempt, .constants = constants};
    if (entry.bytes.empty() || DecodeArguments(batch, entry.bytes, task)) continue;
    queue_.pop_back();
    return Fail(CorruptBatch());
  }
  return reader.IsCorrupt() ? Result<void>(Fail(CorruptBatch())) : Result<void>();
}

bool Execution::DecodeArguments(const Payload& batch, std::string_view bytes, Queued& task) {
  BatchReader reader(bytes);
  for (ArgumentEntry entry; reader.Next(&entry);) {
    Payload& argument = task.arguments.emplace_back();
    // Small values stay in the batch that brought them. A value that may have buffers inside gets
    // memory of its own, where they are aligned.
    if (!entry.is_stored) {
      const auto place = static_cast<std::size_t>(entry.bytes.data() - batch.text().data());
      argument = entry.bytes.size() < internal::kInlineBufferMax
                     ? batch.Slice(place, entry.bytes.size())
                     : Payload::FromString(std::string(entry.bytes));
      continue;
    }
    if (task.fetching == nullptr) task.fetching = std::make_unique<Fetching>();
    auto& [index, stored] = task.fetching->stored.emplace_back();
    index = task.arguments.size() - 1;
    if (!stored.ParseFromArray(entry.bytes.data(), static_cast<int>(entry.bytes.size()))) {
      return false;
    }
    ++task.fetching->missing;
  }
  return !reader.IsCorrupt();
}

//! [execution-step]
/// Fetches arguments for the first few tasks and begins tasks in the order pushed, as long as a
/// lane is free. The order matters: when this process dies, the owner charges a retry to the oldest
/// task that it has no answer for.
/// A task that waits for its arguments holds up those behind it, but not for long: the owner takes
/// them back when a task lasts longer than expected.
void Execution::Step(TimePoint now) {
  for (std::size_t i = 0; i < std::min(queue_.size(), kPrefetchTasks); ++i) {
    if (queue_[i].fetching != nullptr) Fetch(queue_[i]);
  }
  while (lanes_.HasFree() && !queue_.empty() && queue_.front().IsReady()) {
    Run(TakeOut(queue_.begin()), now);
  }
}
//! [execution-step]

void Execution::Fetch(Queued& task) {
  // Answers may come at any time, also when the task has been given back. They name it by its
  // sequence number, which is never used again.
  Fetching& fetching = *task.fetching;
  if (std::exchange(fetching.is_begun, true)) return;
  for (std::size_t place = 0; place < fetching.stored.size(); ++place) {
    const protocol::StoredArgument& argument = fetching.stored[place].second;
    const ObjectId id(ObjectId::FromBinaryOrNil(argument.reference().id()));
    auto done = alive_.Bind([this, sequence = task.sequence, place](Result<Payload> value) {
      OnFetched(sequence, place, std::move(value));
    });
    // Nobody knows where a copy is: the owner does, and we hold the object while we ask it.
    if (argument.hint().copies().empty()) {
      fetching.holds.push_back(
          deps_.references.Hold(id, deps_.references.Intern(argument.reference().owner())));
      fetching.gets.push_back(deps_.getter.Get(fetching.holds.back(), std::move(done)));
      continue;
    }
    // The submitter knew of copies, and it holds the object for as long as the task lives.
    object_store::ObjectHint hint;
    for (const protocol::Copy& copy : argument.hint().copies()) {
      hint.raylet_endpoints.push_back(copy.raylet_endpoint());
    }
    hint.owner = argument.reference().owner();
    store_->Get(id, hint, std::move(done));
  }
}

void Execution::OnFetched(Sequence sequence, std::size_t place, Result<Payload> value) {
  const auto it = Find(sequence);
  if (it == queue_.end()) return;  // given back meanwhile
  auto& [index, argument] = it->fetching->stored[place];
  if (value) {
    it->arguments[index] = std::move(*value);
    --it->fetching->missing;
  } else if (value.error().code() == ErrorCode::kNotFound || argument.hint().copies().empty()) {
    // The argument is not where the submitter said, or it is lost. To find or remake it is the work
    // of its owner, and may need this very CPU, so the task does not wait for it here.
    std::string id = argument.reference().id();
    GiveBack(TakeOut(it), std::move(id));
  } else {
    // The store of this node failed. Another worker would use the same store, so this is the
    // task's own error.
    const Queued failed = TakeOut(it);
    StopFetching(failed);
    deps_.sender.SendFailure(failed.task, Error(value.error()).Context("fetching an argument"),
                             Duration(0));
  }
  Step(deps_.loop.Now());
}

Execution::Queue::iterator Execution::Find(Sequence sequence) {
  const auto it = std::ranges::lower_bound(queue_, sequence, {}, &Queued::sequence);
  return it != queue_.end() && it->sequence == sequence ? it : queue_.end();
}

void Execution::Run(Queued task, TimePoint now) {
  RunningTask& running = lanes_.Begin(std::move(task.task), now);
  // A task begins beside others that wait: this process needs its CPU again.
  TellBlocked();
  executor_->Run(&running, {.id = running.task.id,
                            .attempt = running.task.attempt,
                            .constants = running.task.constants,
                            .arguments = std::move(task.arguments)});
}

void Execution::OnResult(RunningTask& task, std::uint32_t index, TaskOutput output,
                         IsLast is_last) {
  Check(index == task.outputs.size(), "the results of a task come in order");
  // Results leave together with the last one: the owner counts a task as done or not done.
  if (is_last == IsLast::kNo) {
    task.outputs.push_back(std::move(output));
    return;
  }
  const TimePoint now = deps_.loop.Now();  // the end of one is the start of the next
  const Duration took = now - task.started;
  std::vector<TaskOutput> earlier = std::exchange(task.outputs, {});
  const PushedTask done = lanes_.End(task);
  if (earlier.empty()) {
    deps_.sender.Send(done, std::span(&output, 1), took);
  } else {
    earlier.push_back(std::move(output));
    deps_.sender.Send(done, earlier, took);
  }
  OnTaskEnded(now);
}

void Execution::OnTaskFailed(RunningTask& task, const Error& error) {
  const TimePoint now = deps_.loop.Now();
  const Duration took = now - task.started;
  task.outputs.clear();  // one result that is missing makes the others worthless
  deps_.sender.SendFailure(lanes_.End(task), error, took);
  OnTaskEnded(now);
}

void Execution::OnTaskEnded(TimePoint now) {
  Step(now);
  // The tasks that are left may all wait. Then the CPU of the one that ended is free.
  TellBlocked();
  // Nothing runs, so the owners have nothing else from us to wait for.
  if (lanes_.running_count() == 0) deps_.sender.Flush();
}

void Execution::SetBlocked(RunningTask& task, bool blocked) {
  lanes_.SetBlocked(task, blocked);
  TellBlocked();
  // The task may wait for one that is queued behind it, which would then wait for ever.
  if (blocked && lanes_.AreStuck()) GiveBackAll();
}

/// The raylet lends our CPU to others while all tasks here wait. It is told of changes only.
void Execution::TellBlocked() {
  if (lanes_.AllWait() == is_blocked_) return;
  is_blocked_ = !is_blocked_;
  protocol::SetBlockedRequest request;
  request.set_blocked(is_blocked_);
  deps_.raylet.Notify(protocol::kSetBlocked, request);
  deps_.raylet.Flush();
}

// The owner has found a better place for tasks that have not begun here. It names how many we keep,
// not which: meanwhile some have begun, and the oldest are the next to run.
void Execution::TakeBack(const protocol::TakeBackRequest& request) {
  const LeaseId lease = LeaseId::FromBinaryOrNil(request.lease_id());
  std::uint32_t kept = 0;
  Queue stay;
  for (Queued& task : std::exchange(queue_, {})) {
    if (task.task.lease->id != lease || kept++ < request.keep()) {
      stay.push_back(std::move(task));
    } else {
      GiveBack(std::move(task));
    }
  }
  queue_ = std::move(stay);
  deps_.sender.Flush();
}

void Execution::GiveBackAll() {
  while (!queue_.empty()) GiveBack(TakeOut(queue_.begin()));
  deps_.sender.Flush();
}

void Execution::GiveBack(Queued task, std::string missing_id) {
  StopFetching(task);
  protocol::TaskResult result;
  result.set_task_id(std::string(task.task.id.Binary()));
  result.set_attempt(task.task.attempt);
  result.set_unstarted(true);
  if (!missing_id.empty()) result.add_missing_ids(std::move(missing_id));
  deps_.sender.Add(task.task.lease, std::move(result));
}

Execution::Queued Execution::TakeOut(Queue::iterator task) {
  Queued taken = std::move(*task);
  if (task == queue_.begin()) {
    queue_.pop_front();
  } else {
    queue_.erase(task);
  }
  return taken;
}

void Execution::OnPeerClosed(const rpc::Peer& peer) {
  // An owner is gone. Nobody waits for its queued tasks; running ones cannot be stopped, but their
  // results will find no link and be dropped.
  std::erase_if(early_, [&](const Early& early) { return early.peer == &peer; });
  const auto link = links_.extract(&peer);
  if (link.empty()) return;
  deps_.sender.DropPeer(peer);
  link.mapped()->peer = nullptr;
  std::erase_if(queue_, [this](const Queued& task) {
    const bool is_dropped = task.task.lease->link->peer == nullptr;
    if (is_dropped) StopFetching(task);
    return is_dropped;
  });
  std::erase_if(leases_, [](const auto& entry) { return entry.second->link->peer == nullptr; });
  Step(deps_.loop.Now());
}

void Execution::StopFetching(const Queued& task) {
  if (task.fetching == nullptr) return;
  for (const WatchId get : task.fetching->gets) deps_.getter.Cancel(get);
}

void Execution::Stop() {
  alive_.End();
  early_.clear();
  queue_.clear();
  leases_.clear();
  links_.clear();
}

}  // namespace mobula::core_worker
