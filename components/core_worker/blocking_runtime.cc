#include "components/core_worker/blocking_runtime.h"

#include <algorithm>
#include <functional>
#include <memory>

#include "components/base/config_value.h"
#include "components/core_worker/status_codec.h"

namespace mobula::core_worker {

using internal::ReferencePtr;
using internal::SerializedValue;

BlockingRuntime::BlockingRuntime(CoreWorker& core, EventLoop& loop) : core_(core), loop_(loop) {
  core_.OnMustExit(alive_.Bind([this](const Error& reason) { Close(reason); }));
}

BlockingRuntime::~BlockingRuntime() = default;

void BlockingRuntime::Close(const Error& reason) {
  if (!closed_) closed_ = Error(ErrorCode::kUnavailable, reason.message());
  for (Waiter* waiter : waiters_) waiter->changed.notify_all();
}

/// Sleeps until `done`, too late, or closed.
template <typename Done>
void BlockingRuntime::Sleep(Lock& lock, Waiter& waiter, std::optional<Duration> timeout,
                            Done done) {
  if (done() || closed_) return;
  Timer timer(loop_);
  if (timeout) {
    timer.Set(std::max(*timeout, Duration(0)), [&waiter] {
      waiter.is_late = true;
      waiter.changed.notify_all();
    });
  }
  const bool is_task = task_thread_.load() == std::this_thread::get_id();
  if (is_task) core_.SetBlocked(true);
  waiters_.insert(&waiter);
  const auto is_over = [&] { return done() || waiter.is_late || closed_; };
  loop_.Await(lock, waiter.changed, std::ref(is_over));
  waiters_.erase(&waiter);
  if (is_task) core_.SetBlocked(false);
}

/// Waits for one answer of the store. The room to write is not worth giving the CPU back.
template <typename T, typename Start>
Result<T> BlockingRuntime::Await(Lock& lock, Start start) {
  struct Answer {
    Waiter waiter;
    std::optional<Result<T>> result;
  };
  const auto answer = std::make_shared<Answer>();  // owners: this call and the callback
  start([answer](Result<T> result) {
    answer->result.emplace(std::move(result));
    answer->waiter.changed.notify_all();
  });
  waiters_.insert(&answer->waiter);
  const auto is_over = [&] { return answer->result || closed_; };
  loop_.Await(lock, answer->waiter.changed, std::ref(is_over));
  waiters_.erase(&answer->waiter);
  if (!answer->result) return Fail(*closed_);
  return std::move(*answer->result);
}

Result<void> BlockingRuntime::Store(Lock& lock, const ObjectId& id, const SerializedValue& value) {
  if (closed_) return Fail(*closed_);
  Result<WritablePayload> room = Await<WritablePayload>(
      lock, [&](auto done) { core_.store().Create(id, value.size, std::move(done)); });
  if (!room && room.error().code() == ErrorCode::kAlreadyExists) {
    const Result<Payload> there = Await<Payload>(
        lock, [&](auto done) { core_.store().Get(id, ObjectHint(), std::move(done)); });
    return there ? Result<void>() : Fail(there.error());
  }
  if (!room) return Fail(std::move(room.error()));
  lock.unlock();
  value.CopyTo(room->bytes);
  lock.lock();
  if (closed_) return Fail(*closed_);
  room->keep.reset();
  return Await<void>(lock, [&](auto done) { core_.store().Seal(id, std::move(done)); });
}

Result<void> BlockingRuntime::StoreObject(const ObjectId& id, const SerializedValue& value) {
  Lock lock(loop_.StateLock());
  return Store(lock, id, value);
}

Result<ReferencePtr> BlockingRuntime::PutLarge(Lock& lock, SerializedValue value) {
  const ObjectId id = core_.NextPutId();
  Result<void> stored = Store(lock, id, value);
  if (!stored) return Fail(std::move(stored.error()));
  return core_.FinishPut(id, value.size, std::move(value.references));
}

Result<ReferencePtr> BlockingRuntime::Put(SerializedValue value) {
  Lock lock(loop_.StateLock());
  if (closed_) return Fail(*closed_);
  if (value.size > core_.config().inline_bytes_max) return PutLarge(lock, std::move(value));
  return core_.PutInline(std::move(value));
}

std::uint64_t BlockingRuntime::ValueBytesMax() const {
  const Lock lock(loop_.StateLock());
  return core_.store().capacity_bytes();
}

Result<void> BlockingRuntime::CheckKnown(const ReferencePtr& reference) const {
  if (core_.references().IsKnown(reference->id)) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "object {} is of a session that Shutdown has ended: its reference names nothing",
              reference->id.Short());
}

Result<std::vector<ReferencePtr>> BlockingRuntime::Submit(const internal::FunctionKey& function,
                                                          std::vector<internal::Argument> arguments,
                                                          std::uint32_t result_count,
                                                          const internal::TaskOptions& options) {
  if (options.placement == internal::Placement::kNode) {
    const auto binary = FromHex(options.node_id_hex);
    if (!binary || !NodeId::FromBinary(*binary)) {
      return Fail(ErrorCode::kInvalidArgument, "'{}' is not a node id of {} hex digits",
                  options.node_id_hex, 2 * NodeId::kSize);
    }
  }
  if (options.max_retries < -1) {
    return Fail(ErrorCode::kInvalidArgument, "max_retries is {}, not -1 (without end) or more",
                options.max_retries);
  }
  for (const auto& [name, amount] : options.resources) {
    if (!(amount >= 0)) {
      return Fail(ErrorCode::kInvalidArgument, "{} of resource {} cannot be asked for", amount,
                  name);
    }
  }
  Lock lock(loop_.StateLock());
  std::size_t inline_bytes = 0;
  for (internal::Argument& argument : arguments) {
    if (argument.reference != nullptr) {
      if (auto known = CheckKnown(argument.reference); !known) return Fail(known.error());
      continue;
    }
    const std::size_t size = argument.value.size;
    if (size <= core_.config().inline_bytes_max && inline_bytes + size <= kInlineBytesPerMessage) {
      inline_bytes += size;
      continue;
    }
    if (closed_) return Fail(*closed_);
    Result<ReferencePtr> put = PutLarge(lock, std::exchange(argument.value, {}));
    if (!put) return Fail(std::move(put.error()));
    argument.reference = std::move(*put);
  }
  if (closed_) return Fail(*closed_);
  return core_.Submit(function, std::move(arguments), result_count, options);
}

Result<std::vector<Payload>> BlockingRuntime::Get(std::span<const ReferencePtr> references,
                                                  std::optional<std::chrono::nanoseconds> timeout) {
  Lock lock(loop_.StateLock());
  if (closed_) return Fail(*closed_);
  Waiter waiter;
  std::vector<std::optional<Result<Payload>>> results(references.size());
  std::vector<WatchId> gets;
  std::size_t known = 0;  // values at the front without a gap, up to the first error
  const auto is_done = [&] {
    while (known < results.size() && results[known] && *results[known]) ++known;
    return known == results.size() || results[known].has_value();
  };
  for (std::size_t i = 0; i < references.size(); ++i) {
    ObjectState state = core_.references().Peek(references[i]->id);
    if (auto* value = std::get_if<Payload>(&state)) {
      results[i] = std::move(*value);
    } else if (auto* error = std::get_if<Error>(&state)) {
      results[i] = Fail(std::move(*error));
      if (is_done()) break;
    } else if (auto is_known = CheckKnown(references[i]); !is_known) {
      results[i] = Fail(std::move(is_known.error()));
      if (is_done()) break;
    } else {
      gets.push_back(core_.Get(references[i], [&, i](Result<Payload> value) {
        results[i] = std::move(value);
        if (is_done()) waiter.changed.notify_all();
      }));
    }
  }
  Sleep(lock, waiter, timeout, is_done);
  for (const WatchId get : gets) core_.Cancel(get);
  if (!is_done()) {
    if (closed_) return Fail(*closed_);
    return Fail(ErrorCode::kDeadlineExceeded, "after {}, {} of {} values are there; missing is {}",
                FormatTime(*timeout),
                std::count_if(results.begin(), results.end(),
                              [](const auto& result) { return result && *result; }),
                results.size(), core_.Describe(references[known]->id));
  }
  std::vector<Payload> values;
  values.reserve(results.size());
  for (auto& result : results) {
    if (!*result) return Fail(std::move(result->error()));
    values.push_back(std::move(**result));
  }
  return values;
}

Result<internal::WaitOutcome> BlockingRuntime::Wait(
    std::span<const ReferencePtr> references, std::size_t count,
    std::optional<std::chrono::nanoseconds> timeout) {
  if (count == 0 || count > references.size()) {
    return Fail(ErrorCode::kInvalidArgument, "cannot wait for {} of {} references", count,
                references.size());
  }
  Lock lock(loop_.StateLock());
  if (closed_) return Fail(*closed_);
  Waiter waiter;
  std::size_t ready_count = 0;
  std::vector<bool> is_ready(references.size());
  std::vector<WatchId> watches;
  for (std::size_t i = 0; i < references.size(); ++i) {
    if (auto is_known = CheckKnown(references[i]); !is_known) return Fail(is_known.error());
    is_ready[i] = !std::holds_alternative<Pending>(core_.references().Peek(references[i]->id));
    if (is_ready[i]) ++ready_count;
  }
  for (std::size_t i = 0; i < references.size() && ready_count < count; ++i) {
    if (is_ready[i]) continue;
    watches.push_back(core_.WhenReady(references[i], [&, i] {
      is_ready[i] = true;
      if (++ready_count == count) waiter.changed.notify_all();
    }));
  }
  Sleep(lock, waiter, timeout, [&] { return ready_count >= count; });
  for (const WatchId watch : watches) core_.Cancel(watch);
  if (closed_ && ready_count < count) return Fail(*closed_);
  internal::WaitOutcome outcome;
  for (std::size_t i = 0; i < references.size(); ++i) {
    (is_ready[i] ? outcome.ready : outcome.pending).push_back(i);
  }
  return outcome;
}

ReferencePtr BlockingRuntime::Borrow(const ObjectId& id, std::shared_ptr<const std::string> owner) {
  const Lock lock(loop_.StateLock());
  if (closed_) {  // inert, as the references are that we gave out
    auto reference = std::make_shared<internal::Reference>();
    reference->id = id;
    reference->owner = std::move(owner);
    return reference;
  }
  return core_.Borrow(id, std::move(owner));
}

RuntimeContext BlockingRuntime::Context() const {
  const Lock lock(loop_.StateLock());
  const CoreWorker::Context& context = core_.context();
  return {.node_id = NodeId::FromBinaryOrNil(core_.self().node_id()),
          .worker_id = WorkerId::FromBinaryOrNil(core_.self().worker_id()),
          .job_id = core_.job(),
          .task_id = context.task,
          .task_name = context.task_name,
          .attempt = static_cast<std::int32_t>(context.attempt),
          .is_driver = task_thread_.load() == std::thread::id()};
}

}  // namespace mobula::core_worker
