/// \file
/// \brief `Get` waits for values, `Wait` for some of them to be there.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "mobula/internal/decode.h"
#include "mobula/internal/submit.h"
#include "mobula/object_ref.h"

namespace mobula {

using Timeout = std::optional<std::chrono::nanoseconds>;  ///< nullopt: as long as it takes.

namespace internal {

/// \return the bytes of the values, in order. Throws what failed first, in order.
[[nodiscard]] std::vector<Payload> GetBytes(std::span<const ReferencePtr> references,
                                            Timeout timeout);
/// \return as the runtime's `Wait`. Throws.
[[nodiscard]] WaitOutcome WaitFor(std::span<const ReferencePtr> references, std::size_t count,
                                  Timeout timeout);

/// \return what they hold, in place: a copy would count each up and down again.
template <typename T>
[[nodiscard]] std::span<const ReferencePtr> ReferencesOf(const std::vector<ObjectRef<T>>& refs) {
  static_assert(std::is_standard_layout_v<ObjectRef<T>>);
  static_assert(sizeof(ObjectRef<T>) == sizeof(ReferencePtr), "it is one and nothing else");
  return {reinterpret_cast<const ReferencePtr*>(refs.data()), refs.size()};
}

template <typename T>
T DecodeOrThrow(const Payload& bytes) {
  if constexpr (std::is_void_v<T>) {
    static_cast<void>(DecodeOrThrow<std::monostate>(bytes));
  } else {
    return OrThrow(DecodeValue<T>(bytes, CurrentRuntime().get()));
  }
}

}  // namespace internal

/// Waits for a value. Blocks; other tasks may use this one's CPU meanwhile.
///
/// Throws what became of it instead: TaskError if its task threw, WorkerDiedError, NodeDiedError,
/// ObjectLostError, OwnerDiedError, InfeasibleError, StoreFullError, LimitExceededError;
/// GetTimeoutError when the time is over; InvalidArgumentError for a ref that names nothing;
/// NotInitializedError.
template <typename T>
T Get(const ObjectRef<T>& ref, Timeout timeout = {}) {
  return internal::DecodeOrThrow<T>(
      internal::GetBytes(std::span(&ref.reference(), 1), timeout).front());
}

/// Waits for all values. \return them in order; nothing for refs to void. Throws as for one,
/// the first failure in order. The timeout is for all together.
template <typename T>
auto Get(const std::vector<ObjectRef<T>>& refs, Timeout timeout = {}) {
  const std::vector<Payload> bytes = internal::GetBytes(internal::ReferencesOf(refs), timeout);
  if constexpr (std::is_void_v<T>) {
    for (const Payload& one : bytes) internal::DecodeOrThrow<void>(one);
  } else {
    std::vector<T> values;
    values.reserve(bytes.size());
    for (const Payload& one : bytes) values.push_back(internal::DecodeOrThrow<T>(one));
    return values;
  }
}

/// Refs that are ready (their value or failure is there) and refs that are not, in order.
template <typename T>
struct WaitResult {
  std::vector<ObjectRef<T>> ready;
  std::vector<ObjectRef<T>> pending;
};

/// Waits until `count` of the refs are ready or the time is over. What is ready beyond `count` may
/// be in `pending` still. Never throws because of time, nor for a task that failed. To wait for one
/// after the other, move the refs in and take `pending` out: then nothing is copied.
/// Throws InvalidArgumentError if `count` is 0 or more than there are.
template <typename T>
[[nodiscard]] WaitResult<T> Wait(std::vector<ObjectRef<T>> refs, std::size_t count = 1,
                                 Timeout timeout = {}) {
  const internal::WaitOutcome outcome =
      internal::WaitFor(internal::ReferencesOf(refs), count, timeout);
  WaitResult<T> result;
  result.ready.reserve(outcome.ready.size());
  for (const std::size_t index : outcome.ready) result.ready.push_back(std::move(refs[index]));
  std::erase_if(refs, [](const ObjectRef<T>& ref) { return ref.IsNull(); });  // those moved out
  result.pending = std::move(refs);
  return result;
}

}  // namespace mobula
