/// \file
/// \edge
/// \brief Every function of the program that may run remotely, and how to call it.
///
/// Instantiating `Remote<F>` makes `Recorded<F>::entry`, which links itself into a list before
/// `main`. A worker is the same executable, so it has the same list. A function is named by where
/// its invoker lies in its binary, which no load address changes; the name is for people. A key
/// from the network is only ever *compared* with recorded ones, never jumped to.
///
/// A shared library with remote functions leaves `mobula_api` to the program that loads it (one
/// list per process) and is not unloaded.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "mobula/internal/runtime.h"

namespace mobula::internal {

/// One call on its way through an invoker.
struct Invocation {
  Runtime& runtime;                    ///< Makes handles for references among the arguments.
  std::span<const Payload> arguments;  ///< Encoded, one per parameter; kept alive by the caller.
  std::shared_ptr<void>* instance;     ///< Of actors: made by a constructor, used by a method.
  SerializedValue result;              ///< Written by the invoker.
  std::optional<Error> error;          ///< Set if arguments or result could not be converted.
};

/// Decodes, calls, encodes. Exceptions of user code fly through it.
using Invoker = void (*)(Invocation& call);

/// One remote function. Lives as long as its binary is loaded.
class FunctionEntry {
 public:
  /// Links the entry into the list of the process. Cost: a look at the loaded binaries.
  FunctionEntry(Invoker invoker, std::string_view name);
  FunctionEntry(const FunctionEntry&) = delete;
  FunctionEntry& operator=(const FunctionEntry&) = delete;

  [[nodiscard]] Invoker invoker() const { return invoker_; }
  [[nodiscard]] const FunctionKey& key() const { return key_; }
  [[nodiscard]] const FunctionEntry* next() const { return next_; }

 private:
  Invoker invoker_;
  FunctionKey key_;
  const FunctionEntry* next_ = nullptr;
};

/// \return the recorded function with this key. kVersionMismatch, naming the function, if this
///         program has none. Threads: any. Cost: linear in the number of remote functions.
[[nodiscard]] Result<const FunctionEntry*> FindFunction(const FunctionKey& key);

/// \return the newest recorded function; the rest by `next()`. For listings.
[[nodiscard]] const FunctionEntry* FirstFunction();

}  // namespace mobula::internal
