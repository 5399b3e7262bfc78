/// \file
/// \brief `Put` stores a value once, for any number of tasks to read.
#pragma once

#include "mobula/internal/encode.h"
#include "mobula/internal/submit.h"
#include "mobula/object_ref.h"

namespace mobula {

/// Stores a copy of `value` in the node's object store. May wait for room.
/// \return a ref to it, good as an argument everywhere. Throws StoreFullError if it can never fit,
///         InvalidArgumentError for what cannot be written, NotInitializedError.
template <typename T>
[[nodiscard]] ObjectRef<T> Put(const T& value) {
  const std::shared_ptr<internal::Runtime> runtime = internal::RequireRuntime();
  return ObjectRef<T>(
      internal::OrThrow(runtime->Put(internal::OrThrow(internal::EncodeValue<T>(value)))));
}

}  // namespace mobula
