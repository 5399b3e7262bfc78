#include "components/core_worker/runtime/thread_executor.h"

#include "components/base/check.h"
#include "components/protocol/worker.pb.h"
#include "mobula/internal/invocation.h"

namespace mobula::core_worker {

ThreadExecutor::ThreadExecutor(CoreWorker& core, EventLoop& loop, BlockingRuntime& runtime)
    : core_(core), loop_(loop), runtime_(runtime) {}

void ThreadExecutor::Run(RunnableTask task) {
  Check(!next_.has_value(), "one task is handed over at a time");
  next_ = std::move(task);
  changed_.Notify();
}

void ThreadExecutor::Stop() {
  stopped_ = true;
  changed_.Notify();
}

void ThreadExecutor::RunUntilStopped() {
  internal::SetThreadRuntime(&runtime_);
  runtime_.SetTaskThread();
  std::unique_lock lock(loop_.StateLock());
  while (true) {
    loop_.Await(lock, changed_, [this] { return next_.has_value() || stopped_; });
    if (stopped_) break;
    // User code runs without the lock: the loop, and this process's other threads, go on meanwhile.
    RunnableTask task = *std::exchange(next_, std::nullopt);
    lock.unlock();
    Result<std::vector<TaskOutput>> outputs = Execute(std::move(task));
    lock.lock();
    // This process is leaving: there is nobody left to give the outcome to.
    if (stopped_) break;
    core_.FinishTask(std::move(outputs));
  }
  next_.reset();
  lock.unlock();
  internal::SetThreadRuntime(nullptr);
}

Result<std::vector<TaskOutput>> ThreadExecutor::Execute(RunnableTask task) {
  const protocol::FunctionKey& key = task.constants->function();
  // Tasks of one kind share their constants, so one pointer tells that the function is the same.
  if (task.constants != last_constants_) {
    const Result<const internal::FunctionEntry*> function = internal::FindFunction(
        {.module = key.module(), .offset = key.offset(), .name = key.name()});
    if (!function) return Fail(function.error());
    last_constants_ = task.constants;
    last_function_ = *function;
  }
  if (task.constants->result_count() != 1) {
    return Fail(ErrorCode::kInvalidArgument, "function {} has one result, not {}", key.name(),
                task.constants->result_count());
  }
  Result<internal::SerializedValue> value =
      internal::Invoke(*last_function_, runtime_, task.arguments);
  if (!value) return Fail(std::move(value.error()));
  // A large result is written to the store here, on the task's own thread and without the lock.
  std::vector<TaskOutput> outputs(1);
  if (value->size > core_.config().inline_bytes_max) {
    const ObjectId id = ObjectId::OfTask(task.id, 0);
    Result<void> stored = runtime_.StoreObject(id, *value);
    if (!stored) return Fail(std::move(stored.error()).Context("storing the result"));
    outputs[0].is_stored = true;
    value->document.clear();
    value->pieces.clear();
  }
  outputs[0].value = std::move(*value);
  return outputs;
}

}  // namespace mobula::core_worker
