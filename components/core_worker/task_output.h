/// \file
/// \brief One result of a task, on its way from user code to the owner.
#pragma once

#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

/// One result of a task. A large value is best written to the store by the executor (its thread
/// copies without the state lock); then only its size and references are told.
struct TaskOutput {
  internal::SerializedValue value;  ///< `size` and `references` always; bytes unless stored.
  bool is_stored = false;  ///< Created and sealed in this node's store under the result's id.
};

/// Is another result of the same attempt to come?
enum class IsLast : bool { kNo, kYes };

}  // namespace mobula::core_worker
