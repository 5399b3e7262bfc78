// \edge: takes messages apart and calls what the chapter explains
#include "components/core_worker/worker/result_sender.h"

#include <algorithm>
#include <iterator>

#include "components/base/check.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/protocol/convert.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker_methods.h"

namespace mobula::core_worker {
namespace {

/// So many results are worth a message of their own.
constexpr std::size_t kResultBatch = 64;

/// Tells the receiver which references are inside a value, so that it registers as their holder.
/// An owner's address is long; it is named only where it changes.
void NameContained(const internal::SerializedValue& value, protocol::ObjectResult* object) {
  const internal::Owner* owner = nullptr;
  for (const internal::ReferencePtr& reference : value.references) {
    protocol::Reference* contained = object->add_contained();
    contained->set_id(std::string(reference->id.Binary()));
    if (owner != reference->owner.get()) contained->set_owner(reference->owner->address);
    owner = reference->owner.get();
  }
}

protocol::TaskResult ResultOf(const PushedTask& task, Duration took) {
  protocol::TaskResult result;
  result.set_task_id(std::string(task.id.Binary()));
  result.set_attempt(task.attempt);
  result.set_duration_ns(took.count());
  return result;
}

}  // namespace

void ResultSender::Start(const protocol::Address& self, std::string raylet_endpoint,
                         object_store::StoreClient& store, std::uint64_t inline_bytes_max) {
  self_ = self;
  self_copy_.set_node_id(self.node_id());
  self_copy_.set_raylet_endpoint(std::move(raylet_endpoint));
  store_ = &store;
  inline_bytes_max_ = inline_bytes_max;
}

void ResultSender::SendFailure(const PushedTask& task, const Error& error, Duration took) {
  protocol::TaskResult result = ResultOf(task, took);
  SetFailure(task, error, &result);
  Add(task.lease, std::move(result));
}

void ResultSender::Send(const PushedTask& task, std::span<TaskOutput> outputs, Duration took) {
  Check(outputs.size() == task.constants->result_count(), "a task ends with one output per result");
  if (outputs.size() == 1 && AddValue(task, outputs.front(), took)) return;
  // All other outcomes are put together in a draft, which may have to wait for the store.
  auto draft = std::make_shared<Draft>();  // owners: this call, callbacks of the store
  draft->task = task;
  draft->result = ResultOf(task, took);
  std::ranges::move(outputs, std::back_inserter(draft->outputs));
  std::size_t inline_bytes = 0;
  std::vector<std::size_t> large;
  for (std::size_t i = 0; i < draft->outputs.size(); ++i) {
    const TaskOutput& output = draft->outputs[i];
    protocol::ObjectResult* object = draft->result.mutable_results()->add_objects();
    NameContained(output.value, object);
    const std::size_t size = output.value.size;
    if (!output.is_stored && size <= inline_bytes_max_ &&
        inline_bytes + size <= kInlineBytesPerMessage) {
      inline_bytes += size;
      std::string* bytes = object->mutable_inline_value();
      bytes->resize(size);
      output.value.CopyTo(std::as_writable_bytes(std::span(*bytes)));
      continue;
    }
    // Too large for a message: only the size and the place travel, the bytes stay on this node.
    object->mutable_stored()->set_size_bytes(size);
    *object->mutable_stored()->add_copies() = self_copy_;
    const ObjectId id = ObjectId::OfTask(task.id, static_cast<std::uint32_t>(i));
    draft->stored.add_ids(std::string(id.Binary()));
    if (!output.is_stored) large.push_back(i);
  }
  // Bytes have been moved to the store, but names of references cannot be. A message too large to
  // send would end the connection, so the task fails with a reason instead.
  if (const std::size_t bytes = draft->result.ByteSizeLong(); bytes > kTaskBytesMax) {
    SetFailure(task,
               Error(ErrorCode::kResourceExhausted,
                     fmt::format("{} results need {} bytes to name what they refer to, allowed "
                                 "are {}: return fewer references, or Put some of them",
                                 draft->outputs.size(), bytes, kTaskBytesMax)),
               &draft->result);
    Add(task.lease, std::move(draft->result));
    return;
  }
  draft->waiting_for = large.size();
  if (large.empty()) return Complete(draft);
  ++storing_;
  for (const std::size_t index : large) Store(draft, index);
}

void ResultSender::Store(const std::shared_ptr<Draft>& draft, std::size_t index) {
  const ObjectId id = ObjectId::OfTask(draft->task.id, static_cast<std::uint32_t>(index));
  const internal::SerializedValue& value = draft->outputs[index].value;
  store_->Create(
      id, value.size, alive_.Bind([this, draft, index, id](Result<WritablePayload> room) {
        if (room) {
          draft->outputs[index].value.CopyTo(room->bytes);
          store_->Seal(
              id, alive_.Bind([this, draft](const Result<void>& done) { OnStored(draft, done); }));
        } else if (room.error().code() == ErrorCode::kAlreadyExists) {
          // An earlier attempt has written it here. Results of one task are taken to be equal, so
          // its copy will do once it is sealed.
          store_->Get(id, object_store::ObjectHint(),
                      alive_.Bind([this, draft](const Result<Payload>& there) {
                        OnStored(draft, there ? Result<void>() : Fail(there.error()));
                      }));
        } else {
          OnStored(draft, Fail(room.error()));
        }
      }));
}

void ResultSender::OnStored(const std::shared_ptr<Draft>& draft, const Result<void>& stored) {
  if (!stored && !draft->error) draft->error = stored.error();
  if (--draft->waiting_for > 0) return;
  --storing_;
  // One result that cannot be stored makes the whole task fail: the owner retries or reports it.
  if (draft->error) {
    SetFailure(draft->task, Error(*draft->error).Context("storing a result"), &draft->result);
    draft->outputs.clear();
  }
  Complete(draft);
}

void ResultSender::Complete(const std::shared_ptr<Draft>& draft) {
  const PushedTask& task = draft->task;
  // The raylet must know whose the copies are, also if the owner is gone: then it deletes them.
  if (draft->stored.ids_size() > 0) {
    *draft->stored.mutable_owner() = task.lease->owner;
    deps_.raylet.Notify(protocol::kAdoptObjects, draft->stored);
  }
  if (task.lease->link->peer == nullptr) return;
  // References inside results are held here until the receiver says that it has registered.
  for (TaskOutput& output : draft->outputs) {
    if (output.value.references.empty()) continue;
    Handoff& handoff = handoffs_[task.id];
    handoff.lease = task.lease;
    std::ranges::move(output.value.references, std::back_inserter(handoff.references));
  }
  Add(task.lease, std::move(draft->result));
}

void ResultSender::SetFailure(const PushedTask& task, const Error& error,
                              protocol::TaskResult* result) const {
  protocol::Failure failure = protocol::ToMessage(error);
  failure.set_task_name(task.constants->name());
  if (failure.node_id().empty()) failure.set_node_id(ToHex(self_.node_id()));
  if (failure.pid() == 0) failure.set_pid(self_.pid());
  *result->mutable_failure() = std::move(failure);
}

/// Most tasks end like this: one small value without references. It is written straight into the
/// batch that leaves next, without a message object of its own.
bool ResultSender::AddValue(const PushedTask& task, const TaskOutput& output, Duration took) {
  const internal::SerializedValue& value = output.value;
  if (output.is_stored || !value.references.empty() || value.size > inline_bytes_max_ ||
      value.size > kInlineBytesPerMessage) {
    return false;
  }
  if (task.lease->link->peer == nullptr) return true;
  std::string& values = *task.lease->outbox.mutable_values();
  const std::size_t before = values.size();
  AppendValueHead(task.id, task.attempt, static_cast<std::uint64_t>(took.count()), value.size,
                  &values);
  values.resize(values.size() + value.size);
  value.CopyTo(std::as_writable_bytes(std::span(values)).last(value.size));
  CountIn(task.lease, values.size() - before);
  return true;
}

void ResultSender::Add(const ServedLeasePtr& lease, protocol::TaskResult result) {
  if (lease->link->peer == nullptr) return;
  const std::size_t bytes = result.ByteSizeLong();
  *lease->outbox.add_tasks() = std::move(result);
  CountIn(lease, bytes);
}

void ResultSender::CountIn(const ServedLeasePtr& lease, std::size_t bytes) {
  lease->outbox_bytes += bytes;
  const bool is_first = lease->outbox_tasks++ == 0;
  // A full batch leaves at once. Otherwise the first result asks for a flush at the end of this
  // turn of the loop, and those that follow in the same turn travel with it.
  if (lease->outbox_tasks >= kResultBatch || lease->outbox_bytes >= kInlineBytesPerMessage) {
    std::erase(unflushed_, lease);
    FlushLease(lease);
  } else if (is_first) {
    unflushed_.push_back(lease);
    if (std::exchange(is_flush_due_, true)) return;
    deps_.loop.Defer(alive_.Bind([this] {
      is_flush_due_ = false;
      Flush();
    }));
  }
}

void ResultSender::Flush() {
  for (const ServedLeasePtr& lease : std::exchange(unflushed_, {})) FlushLease(lease);
}

void ResultSender::FlushLease(const ServedLeasePtr& lease) {
  if (lease->outbox_tasks == 0) return;
  lease->outbox.set_lease_id(std::string(lease->id.Binary()));
  lease->outbox_tasks = lease->outbox_bytes = 0;
  // A result may carry references that we borrowed. If it left before their owners know of us, they
  // could free the objects while the result is on its way.
  ++unsent_;
  deps_.references.AfterBorrowsAcknowledged(
      alive_.Bind([this, lease, batch = std::exchange(lease->outbox, {})] {
        --unsent_;
        if (lease->link->peer == nullptr) return;
        // Without its raylet this process must end, and the task may have failed for that reason
        // only. The owner hears nothing, sees us die and retries it.
        if (!deps_.raylet.IsConnected()) return;
        lease->link->peer->Notify(protocol::kTasksDone, batch);
        lease->link->peer->Flush();
      }));
}

/// The receiver has registered with the owners of what the results refer to. From now on its holds
/// keep the objects alive, and ours can go.
void ResultSender::ReleaseHandoffs(const protocol::ReleaseHandoffRequest& request) {
  for (const std::string& id : request.task_ids()) handoffs_.erase(TaskId::FromBinaryOrNil(id));
}

/// The receiver is gone and will never register: nobody is left to hand the references to.
void ResultSender::DropPeer(const rpc::Peer& peer) {
  std::erase_if(handoffs_,
                [&](const auto& entry) { return entry.second.lease->link->peer == &peer; });
}

void ResultSender::Stop() {
  alive_.End();
  handoffs_.clear();
  unflushed_.clear();
}

}  // namespace mobula::core_worker
