#include "components/core_worker/worker/execution.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker.pb.h"
#include "mobula/internal/writer.h"

namespace mobula::core_worker {
namespace {

Error CorruptBatch() { return {ErrorCode::kCorrupt, "a batch of tasks is not well formed"}; }

}  // namespace

Execution::Execution(Deps deps, std::function<void(const RunningTask&)> on_run)
    : deps_(deps), on_run_(std::move(on_run)) {}

void Execution::Start(const JobId& job, const protocol::Program& program,
                      object_store::StoreClient& store, TaskExecutor* executor) {
  job_ = job;
  program_ = program;
  store_ = &store;
  executor_ = executor;
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
  // The running task waits for others, perhaps for these very tasks: they must run elsewhere.
  if (blocked_ > 0) GiveBackAll();
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
    task.lease = lease;
    task.id = entry.id;
    task.attempt = entry.attempt;
    task.constants = constants;
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
/// Fetches arguments for the first few tasks and runs tasks in the order pushed. The order matters:
/// when this process dies, the owner charges a retry to the oldest task that it has no answer for.
/// A task that waits for its arguments holds up those behind it, but not for long: the owner takes
/// them back when a task lasts longer than expected.
void Execution::Step(TimePoint now) {
  for (std::size_t i = 0; i < std::min(queue_.size(), kPrefetchTasks); ++i) {
    if (queue_[i].fetching != nullptr) Fetch(queue_[i]);
  }
  if (running_ || queue_.empty() || !queue_.front().IsReady()) return;
  started_ = now;
  Run(TakeOut(queue_.begin()));
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
    deps_.sender.Send(Begun(failed), Fail(Error(value.error()).Context("fetching an argument")),
                      Duration(0));
  }
  Step(deps_.loop.Now());
}

Execution::Queue::iterator Execution::Find(Sequence sequence) {
  const auto it = std::ranges::lower_bound(queue_, sequence, {}, &Queued::sequence);
  return it != queue_.end() && it->sequence == sequence ? it : queue_.end();
}

RunningTask Execution::Begun(const Queued& task) const {
  return {.lease = task.lease, .id = task.id, .attempt = task.attempt, .constants = task.constants};
}

void Execution::Run(Queued task) {
  // From here on what user code submits and puts is named after this task.
  running_ = Begun(task);
  on_run_(*running_);
  executor_->Run({.id = task.id,
                  .attempt = task.attempt,
                  .constants = std::move(task.constants),
                  .arguments = std::move(task.arguments)});
}

void Execution::FinishTask(Result<std::vector<TaskOutput>> outputs) {
  Check(running_.has_value(), "only a running task ends");
  Check(blocked_ == 0, "a task that ends does not wait for anything");
  const RunningTask done = *std::exchange(running_, std::nullopt);
  const TimePoint now = deps_.loop.Now();  // the end of one is the start of the next
  deps_.sender.Send(done, std::move(outputs), now - started_);
  Step(now);
  if (!running_) deps_.sender.Flush();  // its owner has nothing else from us to wait for
}

void Execution::SetBlocked(bool blocked) {
  blocked_ += blocked ? 1 : -1;
  Check(blocked_ >= 0, "a task wakes as often as it blocked");
  // Calls nest: only the first wait and the last awakening change what the raylet must know.
  if (blocked_ != (blocked ? 1 : 0)) return;
  protocol::SetBlockedRequest request;
  request.set_blocked(blocked);
  deps_.raylet.Notify(protocol::kSetBlocked, request);
  deps_.raylet.Flush();
  // The task may wait for one that is queued behind it, which would then wait for ever.
  if (blocked) GiveBackAll();
}

// The owner has found a better place for tasks that have not begun here. It names how many we keep,
// not which: meanwhile some have begun, and the oldest are the next to run.
void Execution::TakeBack(const protocol::TakeBackRequest& request) {
  const LeaseId lease = LeaseId::FromBinaryOrNil(request.lease_id());
  std::uint32_t kept = 0;
  Queue stay;
  for (Queued& task : std::exchange(queue_, {})) {
    if (task.lease->id != lease || kept++ < request.keep()) {
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
  result.set_task_id(std::string(task.id.Binary()));
  result.set_attempt(task.attempt);
  result.set_unstarted(true);
  if (!missing_id.empty()) result.add_missing_ids(std::move(missing_id));
  deps_.sender.Add(task.lease, std::move(result));
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
  // An owner is gone. Nobody waits for its queued tasks; the running one cannot be stopped, but its
  // result will find no link and be dropped.
  std::erase_if(early_, [&](const Early& early) { return early.peer == &peer; });
  const auto link = links_.extract(&peer);
  if (link.empty()) return;
  deps_.sender.DropPeer(peer);
  link.mapped()->peer = nullptr;
  std::erase_if(queue_, [this](const Queued& task) {
    const bool is_dropped = task.lease->link->peer == nullptr;
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
  running_.reset();
}

}  // namespace mobula::core_worker
