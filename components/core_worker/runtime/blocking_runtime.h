/// \file
/// \brief The runtime as a user's threads see it: calls that block.
///
/// The core worker never blocks; this is where user code does. A call takes the state lock, asks,
/// and sleeps on a condition variable until a callback of the loop's thread wakes it. Object bytes
/// are copied without the lock. Called by: the templates of include/mobula, thread_executor.h.
#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/lifetime.h"
#include "components/core_worker/core_worker.h"
#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

/// Threads: any, as `Runtime` says; all else as noted. Lifetime: core worker and loop outlive it;
/// nobody waits in it when it is destroyed.
class BlockingRuntime final : public internal::Runtime {
 public:
  /// Threads: with the state lock held, or before the loop runs.
  BlockingRuntime(CoreWorker& core, EventLoop& loop);
  ~BlockingRuntime() override;

  [[nodiscard]] Result<std::vector<internal::ReferencePtr>> Submit(
      const internal::FunctionKey& function, std::vector<internal::Argument> arguments,
      std::uint32_t result_count, const internal::TaskOptions& options) override;
  [[nodiscard]] Result<internal::ReferencePtr> Put(internal::SerializedValue value) override;
  [[nodiscard]] std::uint64_t ValueBytesMax() const override;
  [[nodiscard]] Result<std::vector<Payload>> Get(
      std::span<const internal::ReferencePtr> references,
      std::optional<std::chrono::nanoseconds> timeout) override;
  [[nodiscard]] Result<internal::WaitOutcome> Wait(
      std::span<const internal::ReferencePtr> references, std::size_t count,
      std::optional<std::chrono::nanoseconds> timeout) override;
  [[nodiscard]] internal::ReferencePtr Borrow(const ObjectId& id,
                                              std::shared_ptr<const std::string> owner) override;
  [[nodiscard]] RuntimeContext Context() const override;

  /// Writes an object into this node's store, on the calling thread. One that is there already, of
  /// an earlier attempt, will do. kStoreFull, kUnavailable. \pre lock not held.
  [[nodiscard]] Result<void> StoreObject(const ObjectId& id,
                                         const internal::SerializedValue& value);

  /// From now on this thread acts for `task`, which counts as blocked while it waits; null: for
  /// none. Threads: the one that runs the task.
  void SetTask(TaskHandle task);
  /// Ends all waits with `reason` and refuses later calls. Happens by itself when the raylet is
  /// lost. Threads: the state lock is held. Twice is harmless.
  void Close(const Error& reason);

 private:
  using Lock = std::unique_lock<std::mutex>;
  /// \return the task of this thread, null if it runs none. A thread that user code has made acts
  ///         for the task that runs, if there is only one; else for the process itself.
  [[nodiscard]] TaskHandle ThreadsTask() const;
  [[nodiscard]] TaskHandle Caller() const;
  /// One blocked call.
  struct Waiter {
    WaitPoint changed;
    bool is_late = false;
  };
  template <typename Done>
  void Sleep(Lock& lock, Waiter& waiter, std::optional<Duration> timeout, Done done);
  template <typename T, typename Start>
  Result<T> Await(Lock& lock, Start start);
  Result<void> Store(Lock& lock, const ObjectId& id, const internal::SerializedValue& value);
  /// A program may keep a reference over `Shutdown` and another `Init`: kInvalidArgument.
  [[nodiscard]] static Error Unknown(const internal::ReferencePtr& reference);
  Result<internal::ReferencePtr> PutLarge(Lock& lock, internal::SerializedValue value);

  CoreWorker& core_;
  EventLoop& loop_;
  std::uint64_t submitted_ = 0;
  std::optional<Error> closed_;
  std::set<Waiter*> waiters_;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
