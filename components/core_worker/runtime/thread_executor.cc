#include "components/core_worker/runtime/thread_executor.h"

#include <algorithm>
#include <utility>

#include "components/base/check.h"
#include "components/protocol/worker.pb.h"
#include "mobula/internal/invocation.h"

namespace mobula::core_worker {

ThreadExecutor::ThreadExecutor(CoreWorker& core, EventLoop& loop, BlockingRuntime& runtime,
                               std::size_t lane_count)
    : core_(core), loop_(loop), runtime_(runtime), lanes_(lane_count) {}

void ThreadExecutor::Run(TaskHandle task, TaskCall call) {
  const auto lane = std::ranges::find(lanes_, nullptr, &Lane::task);
  Check(lane != lanes_.end(), "no more tasks are handed over than there are lanes");
  // The lane's thread may not be here yet: a task can arrive while the process still starts. It
  // finds the task when it comes.
  lane->task = task;
  lane->next = std::move(call);
  lane->changed.Notify();
}

void ThreadExecutor::Stop() {
  stopped_ = true;
  for (Lane& lane : lanes_) lane.changed.Notify();
}

void ThreadExecutor::RunUntilStopped() {
  internal::SetThreadRuntime(&runtime_);
  std::unique_lock lock(loop_.StateLock());
  Check(thread_count_ < lanes_.size(), "a lane has one thread");
  Lane& lane = lanes_[thread_count_++];
  while (true) {
    loop_.Await(lock, lane.changed, [&] { return lane.next.has_value() || stopped_; });
    if (stopped_) break;
    // User code runs without the lock: the loop, and this process's other threads, go on meanwhile.
    TaskCall call = *std::exchange(lane.next, std::nullopt);
    const TaskHandle task = lane.task;
    lock.unlock();
    runtime_.SetTask(task);
    Result<TaskOutput> output = Execute(lane, std::move(call));
    runtime_.SetTask(nullptr);
    lock.lock();
    // This process is leaving: there is nobody left to give the outcome to.
    if (stopped_) break;
    // The lane is free before the core worker hears of the end, because it may hand over the next
    // task at once.
    lane.task = nullptr;
    if (output) {
      core_.OnResult(task, 0, std::move(*output), IsLast::kYes);
    } else {
      core_.OnTaskFailed(task, output.error());
    }
  }
  lane.next.reset();
  lock.unlock();
  internal::SetThreadRuntime(nullptr);
}

Result<TaskOutput> ThreadExecutor::Execute(Lane& lane, TaskCall call) {
  const protocol::FunctionKey& key = call.constants->function();
  // Tasks of one kind share their constants, so one pointer tells that the function is the same.
  if (call.constants != lane.last_constants) {
    const Result<const internal::FunctionEntry*> function = internal::FindFunction(
        {.module = key.module(), .offset = key.offset(), .name = key.name()});
    if (!function) return Fail(function.error());
    lane.last_constants = call.constants;
    lane.last_function = *function;
  }
  if (call.constants->result_count() != 1) {
    return Fail(ErrorCode::kInvalidArgument, "function {} has one result, not {}", key.name(),
                call.constants->result_count());
  }
  // An exception of user code becomes the task's error in here; it never reaches this thread's
  // loop.
  Result<internal::SerializedValue> value =
      internal::Invoke(*lane.last_function, runtime_, call.arguments);
  if (!value) return Fail(std::move(value.error()));
  // A large result is written to the store here, on the task's own thread and without the lock.
  TaskOutput output;
  if (value->size > core_.config().inline_bytes_max) {
    const ObjectId id = ObjectId::OfTask(call.id, 0);
    Result<void> stored = runtime_.StoreObject(id, *value);
    if (!stored) return Fail(std::move(stored.error()).Context("storing the result"));
    output.is_stored = true;
    value->document.clear();
    value->pieces.clear();
  }
  output.value = std::move(*value);
  return output;
}

}  // namespace mobula::core_worker
