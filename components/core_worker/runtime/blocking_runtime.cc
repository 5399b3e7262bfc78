#include "components/core_worker/runtime/blocking_runtime.h"

#include <algorithm>
#include <functional>
#include <memory>

#include "components/base/config_value.h"
#include "components/core_worker/owner/status_codec.h"

namespace mobula::core_worker {

using internal::ReferencePtr;
using internal::SerializedValue;

namespace {

/// After so many submits the submitting thread runs the loop once: results are read and tasks
/// pushed while it submits more.
constexpr std::uint64_t kSubmitsPerLook = 64;

/// What this thread runs, and in which runtime: a process in embedded mode has several.
struct ThreadTask {
  const BlockingRuntime* runtime = nullptr;
  TaskHandle task = nullptr;
};
constinit thread_local ThreadTask t_task;

}  // namespace

BlockingRuntime::BlockingRuntime(CoreWorker& core, EventLoop& loop) : core_(core), loop_(loop) {
  core_.OnMustExit(alive_.Bind([this](const Error& reason) { Close(reason); }));
}

BlockingRuntime::~BlockingRuntime() = default;

void BlockingRuntime::SetTask(TaskHandle task) { t_task = {this, task}; }

TaskHandle BlockingRuntime::ThreadsTask() const {
  return t_task.runtime == this ? t_task.task : nullptr;
}

TaskHandle BlockingRuntime::Caller() const {
  const TaskHandle own = ThreadsTask();
  return own != nullptr ? own : core_.SoleTask();
}

void BlockingRuntime::Close(const Error& reason) {
  // The first reason counts. What closes a runtime later is most often a consequence of it.
  if (!closed_) closed_ = Error(ErrorCode::kUnavailable, reason.message());
  for (Waiter* waiter : waiters_) waiter->changed.Notify();
}

/// Sleeps until `done`, until the time is over, or until the runtime is closed.
template <typename Done>
void BlockingRuntime::Sleep(Lock& lock, Waiter& waiter, std::optional<Duration> timeout,
                            Done done) {
  if (done() || closed_) return;
  // The timer ends with this call. It only leaves a mark, as all that wake us do: the sleeping
  // thread decides itself, with the lock held, why it goes on.
  Timer timer(loop_);
  if (timeout) {
    timer.Set(std::max(*timeout, Duration(0)), [&waiter] {
      waiter.is_late = true;
      waiter.changed.Notify();
    });
  }
  // A task that waits lends its CPU to others, or its own children might never run.
  const TaskHandle task = ThreadsTask();
  if (task != nullptr) core_.SetBlocked(task, true);
  waiters_.insert(&waiter);
  const auto is_over = [&] { return done() || waiter.is_late || closed_; };
  loop_.Await(lock, waiter.changed, std::ref(is_over));
  waiters_.erase(&waiter);
  if (task != nullptr) core_.SetBlocked(task, false);
}

/// Waits for one answer of the store. That is short, so the task's CPU is not given back meanwhile.
template <typename T, typename Start>
Result<T> BlockingRuntime::Await(Lock& lock, Start start) {
  struct Answer {
    Waiter waiter;
    std::optional<Result<T>> result;
  };
  // The answer may come after the runtime was closed and this call has returned, so it does not
  // live on this thread's stack.
  const auto answer = std::make_shared<Answer>();  // owners: this call and the callback
  start([answer](Result<T> result) {
    answer->result.emplace(std::move(result));
    answer->waiter.changed.Notify();
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
  // An earlier attempt of this task has written the same object: once it is sealed it is ours.
  if (!room && room.error().code() == ErrorCode::kAlreadyExists) {
    const Result<Payload> there = Await<Payload>(lock, [&](auto done) {
      core_.store().Get(id, object_store::ObjectHint(), std::move(done));
    });
    return there ? Result<void>() : Fail(there.error());
  }
  if (!room) return Fail(std::move(room.error()));
  // The copy may be large, so it runs without the lock. The runtime may be closed meanwhile, and
  // with it the store.
  lock.unlock();
  value.CopyTo(room->bytes);
  lock.lock();
  if (closed_) return Fail(*closed_);
  // Nobody may write into the object once others can read it, so our way in goes before the seal.
  room->keep.reset();
  return Await<void>(lock, [&](auto done) { core_.store().Seal(id, std::move(done)); });
}

Result<void> BlockingRuntime::StoreObject(const ObjectId& id, const SerializedValue& value) {
  Lock lock(loop_.StateLock());
  return Store(lock, id, value);
}

Result<ReferencePtr> BlockingRuntime::PutLarge(Lock& lock, SerializedValue value) {
  // The name is taken before the store is asked: while we wait for room, other threads put too.
  const ObjectId id = core_.NextPutId(Caller());
  Result<void> stored = Store(lock, id, value);
  if (!stored) return Fail(std::move(stored.error()));
  return core_.FinishPut(id, value.size, std::move(value.references));
}

Result<ReferencePtr> BlockingRuntime::Put(SerializedValue value) {
  Lock lock(loop_.StateLock());
  if (closed_) return Fail(*closed_);
  if (value.size > core_.config().inline_bytes_max) return PutLarge(lock, std::move(value));
  return core_.PutInline(Caller(), std::move(value));
}

std::uint64_t BlockingRuntime::ValueBytesMax() const {
  const Lock lock(loop_.StateLock());
  return core_.store().capacity_bytes();
}

Error BlockingRuntime::Unknown(const ReferencePtr& reference) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("object {} is of a session that Shutdown has ended: its reference names "
                      "nothing",
                      reference->id.Short())};
}

Result<std::vector<ReferencePtr>> BlockingRuntime::Submit(const internal::FunctionKey& function,
                                                          std::vector<internal::Argument> arguments,
                                                          std::uint32_t result_count,
                                                          const internal::TaskOptions& options) {
  // What is wrong in itself is said to the thread that submits, and not to the one that gets.
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
  // Small values travel inside the task, up to what one message holds. Others are put first, and
  // the task is given a reference, as if the user had done so.
  std::size_t inline_bytes = 0;
  for (internal::Argument& argument : arguments) {
    if (argument.reference != nullptr) {
      // A program may have kept the reference over a `Shutdown`. Then nobody knows the object.
      if (core_.references().IsKnown(argument.reference->id)) continue;
      return Fail(Unknown(argument.reference));
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
  // Storing an argument may have taken long, and the runtime may be closed now.
  auto results = core_.Submit(Caller(), function, std::move(arguments), result_count, options);
  if (++submitted_ % kSubmitsPerLook == 0) {  // a worker starts while more is submitted
    Waiter nobody;
    loop_.Await(lock, nobody.changed,
                [looked = false]() mutable { return std::exchange(looked, true); });
  }
  return results;
}

Result<std::vector<Payload>> BlockingRuntime::Get(std::span<const ReferencePtr> references,
                                                  std::optional<std::chrono::nanoseconds> timeout) {
  Lock lock(loop_.StateLock());
  if (closed_) return Fail(*closed_);
  Waiter waiter;
  WaitSet waits(waiter.changed, references.size());
  std::vector<Payload> values(references.size());  // those that are there are not empty
  std::map<std::size_t, Error> errors;
  std::vector<WatchId> gets;
  std::size_t known = 0;  // values at the front without a gap, up to the first error
  const auto is_done = [&] {
    while (known < values.size() && !values[known].empty()) ++known;
    return known == values.size() || (!errors.empty() && errors.begin()->first == known);
  };
  const auto set = [&](std::size_t i, Result<Payload> value) {
    if (value && value->empty()) value = Fail(ErrorCode::kInternal, "a value has no bytes");
    value ? void(values[i] = std::move(*value)) : void(errors.emplace(i, std::move(value.error())));
  };
  const auto look = [&](std::size_t i) {
    if (closed_) return;  // and what was known is forgotten
    std::optional<ObjectState> state = core_.references().PeekOrAwait(*references[i], waits, i);
    if (!state) return;  // not there yet; `waits` names it when that changes
    if (auto* value = std::get_if<Payload>(&*state)) {
      set(i, std::move(*value));
    } else if (auto* error = std::get_if<Error>(&*state)) {
      set(i, Fail(std::move(*error)));
    } else if (std::holds_alternative<Pending>(*state)) {
      set(i, Fail(Unknown(references[i])));
    } else {
      // The object is in some store. Its bytes are brought here, which may take more turns of the
      // loop, so its callback wakes us instead of `waits`.
      gets.push_back(core_.Get(references[i], [&, i](Result<Payload> value) {
        set(i, std::move(value));
        if (is_done()) waiter.changed.Notify();
      }));
    }
  };
  // Look at each once; what is not there yet wakes us when it changes. An error ends the call only
  // when all values before it are known, so that the same program always reports the same error.
  for (std::size_t i = 0; i < references.size() && (errors.empty() || !is_done()); ++i) look(i);
  Sleep(lock, waiter, timeout, [&] {
    for (const std::size_t i : waits.TakeReady()) look(i);
    return is_done();
  });
  // Callbacks that have not run refer to this call's stack.
  for (const WatchId get : gets) core_.Cancel(get);
  if (is_done() && errors.empty()) return values;
  if (is_done()) return Fail(std::move(errors.begin()->second));
  if (closed_) return Fail(*closed_);
  return Fail(ErrorCode::kDeadlineExceeded, "after {}, {} of {} values are there; missing is {}",
              FormatTime(*timeout), std::ranges::count(values, false, &Payload::empty),
              values.size(), core_.Describe(references[known]->id));
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
  WaitSet waits(waiter.changed, references.size());
  internal::WaitOutcome outcome;
  for (std::size_t i = 0; i < references.size() && outcome.ready.size() < count; ++i) {
    const auto state = core_.references().PeekOrAwait(*references[i], waits, i);
    if (!state) continue;
    if (std::holds_alternative<Pending>(*state)) return Fail(Unknown(references[i]));
    outcome.ready.push_back(i);
  }
  // Each reference wakes us at most once, so that waiting for n of them costs n, not n squared.
  Sleep(lock, waiter, timeout, [&] {
    for (const std::size_t i : waits.TakeReady()) outcome.ready.push_back(i);
    return outcome.ready.size() >= count;
  });
  if (closed_ && outcome.ready.size() < count) return Fail(*closed_);
  std::ranges::sort(outcome.ready);
  return outcome;
}

ReferencePtr BlockingRuntime::Borrow(const ObjectId& id, std::shared_ptr<const std::string> owner) {
  const Lock lock(loop_.StateLock());
  if (closed_) {  // inert, as the references are that we gave out
    return new internal::Reference(id, new internal::Owner(*owner, nullptr));
  }
  return core_.Borrow(id, *owner);
}

RuntimeContext BlockingRuntime::Context() const {
  const Lock lock(loop_.StateLock());
  const TaskContext& context = core_.ContextOf(Caller());
  return {.node_id = NodeId::FromBinaryOrNil(core_.self().node_id()),
          .worker_id = WorkerId::FromBinaryOrNil(core_.self().worker_id()),
          .job_id = core_.job(),
          .task_id = context.task,
          .task_name = std::string(context.task_name),
          .attempt = static_cast<std::int32_t>(context.attempt),
          .is_driver = core_.is_driver()};
}

}  // namespace mobula::core_worker
