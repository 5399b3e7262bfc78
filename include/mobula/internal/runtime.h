/// \file
/// \brief What the templates of the public API ask of the runtime behind them.
///
/// `Remote`, `Get`, `Put`, `Wait` and `ObjectRef` are thin templates over this interface; it is
/// implemented by components/core_worker for drivers, workers and the embedded mode, and by a small
/// fake in tests. Not for user programs: only the rest of `include/mobula` is promised.
#pragma once

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "components/base/ids.h"
#include "components/base/payload.h"
#include "components/base/result.h"
#include "mobula/context.h"
#include "mobula/scheduling_strategy.h"

namespace mobula::internal {

/// Who owns an object, and who is told when a hold on it is gone: what references share.
struct Owner final : boost::intrusive_ref_counter<Owner> {
  using Released = std::function<void(struct Reference&)>;
  Owner(std::string encoded, Released f) : address(std::move(encoded)), released(std::move(f)) {}
  const std::string address;  ///< Encoded.
  const Released released;    ///< Keeps or deletes what nobody shares any more. Threads: any.
};
using OwnerPtr = boost::intrusive_ptr<const Owner>;  // owners: the runtime, its references

/// One process's hold on one object, in 32 bytes. The last share to go tells the runtime, which may
/// free the object everywhere. Made by a `Runtime` only. Threads: any, as `shared_ptr`.
struct Reference {
  Reference(const ObjectId& object, OwnerPtr its_owner) : owner(std::move(its_owner)), id(object) {}
  OwnerPtr owner;
  const ObjectId id;
  mutable std::atomic<std::uint32_t> shares = 0;
};
inline void intrusive_ptr_add_ref(const Reference* one) { one->shares.fetch_add(1); }
void Release(const Reference& unshared);
inline void intrusive_ptr_release(const Reference* one) {
  if (one->shares.fetch_sub(1) == 1) Release(*one);
}
using ReferencePtr = boost::intrusive_ptr<const Reference>;

/// A value on its way out: one MessagePack document, then large buffers at 64-byte offsets.
struct SerializedValue {
  struct Piece {
    std::size_t offset;  ///< From the start of the object; a multiple of 64.
    Payload bytes;       ///< Kept alive until copied.
  };
  std::string document;
  std::vector<Piece> pieces;             ///< In order of offset, after the document.
  std::size_t size = 0;                  ///< Whole object in bytes.
  std::vector<ReferencePtr> references;  ///< Every ObjectRef found inside.

  /// Writes the whole object. \pre destination.size() == size.
  void CopyTo(std::span<std::byte> destination) const;
};

/// Names a function of the program: offset of its code in its binary, and its printed name.
/// Two functions of one printed name in two files differ by offset.
struct FunctionKey {
  std::string module;        ///< Base name of the shared library, empty for the main program.
  std::uint64_t offset = 0;  ///< Of the invoker, from the start of the module.
  std::string name;          ///< Printed name, for messages.
  friend bool operator==(const FunctionKey&, const FunctionKey&) = default;
};

/// What `.With({...})` says, in the runtime's terms.
struct TaskOptions {
  std::map<std::string, double> resources;  ///< CPU included.
  std::int32_t max_retries = 3;             ///< -1: without end.
  bool retry_exceptions = false;
  std::string name;  ///< Empty: the function's name.
  SchedulingStrategy strategy;
  friend bool operator==(const TaskOptions&, const TaskOptions&) = default;
};

/// One argument: a value, or a reference whose value the worker sees in its place.
struct Argument {
  SerializedValue value;
  ReferencePtr reference;  ///< Null for a value.
};

/// Which references were found ready, as indexes in order. With enough of them the rest is not
/// looked at.
struct WaitOutcome {
  std::vector<std::size_t> ready;
};

/// The running system as one process sees it.
///
/// Threads: any; calls block only where they say so. Lifetime: from `Init` to `Shutdown`, and as
/// long as a call is inside: that one ends with kUnavailable. References may outlive it and are
/// inert then.
class Runtime {
 public:
  virtual ~Runtime() = default;

  /// Queues a task. Does not wait, except for room in the store for arguments above 100 KiB.
  /// \return one reference per result. kInvalidArgument, kStoreFull.
  [[nodiscard]] virtual Result<std::vector<ReferencePtr>> Submit(const FunctionKey& function,
                                                                 std::vector<Argument> arguments,
                                                                 std::uint32_t result_count,
                                                                 const TaskOptions& options) = 0;
  /// Stores a value. May wait for room. kStoreFull if it can never fit.
  [[nodiscard]] virtual Result<ReferencePtr> Put(SerializedValue value) = 0;
  /// \return the size of the largest value that this node can store at all.
  [[nodiscard]] virtual std::uint64_t ValueBytesMax() const = 0;
  /// Waits for all values. nullopt waits as long as it takes: until a value or an error is there.
  /// \return the values in order, pinned while held; the first error in order otherwise:
  ///         kTaskFailed, kWorkerDied, kNodeDied, kObjectLost, kOwnerDied, kDeadlineExceeded, …
  [[nodiscard]] virtual Result<std::vector<Payload>> Get(
      std::span<const ReferencePtr> references,
      std::optional<std::chrono::nanoseconds> timeout) = 0;
  /// Waits until `count` are ready (a failed one is ready) or the time is over; never an error
  /// because of time. kInvalidArgument if count is 0 or above the number given.
  [[nodiscard]] virtual Result<WaitOutcome> Wait(
      std::span<const ReferencePtr> references, std::size_t count,
      std::optional<std::chrono::nanoseconds> timeout) = 0;
  /// Makes this process a borrower of an object that arrived inside a value.
  [[nodiscard]] virtual ReferencePtr Borrow(const ObjectId& id,
                                            std::shared_ptr<const std::string> owner) = 0;
  /// \return where the calling thread is.
  [[nodiscard]] virtual RuntimeContext Context() const = 0;
};

/// \return the runtime of this thread: a worker's own in embedded mode, else the process's.
///         Null before `Init`. Held while it is used: `Shutdown` waits for no other thread.
[[nodiscard]] std::shared_ptr<Runtime> CurrentRuntime();  // owners: Init's session, calls inside
/// Sets the process's runtime (`Init`, `Shutdown`) or this thread's own (embedded workers).
/// \param owner what the runtime lives in; null if it lives as long as threads may call it.
void SetProcessRuntime(Runtime* runtime, std::shared_ptr<const void> owner = nullptr);
void SetThreadRuntime(Runtime* runtime);

}  // namespace mobula::internal
