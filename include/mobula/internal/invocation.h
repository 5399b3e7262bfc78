/// \file
/// \brief Runs a recorded function on encoded arguments: the executor's only way into user code.
#pragma once

#include <utility>

#include "mobula/internal/decode.h"
#include "mobula/internal/encode.h"
#include "mobula/internal/function_table.h"
#include "mobula/internal/signature.h"

namespace mobula::internal {

/// Calls the function and catches whatever it throws.
///
/// Threads: any; user code runs in this one. Node and pid of the failure are left empty for the
/// executor, which knows them.
/// \return the result, written. kTaskFailed with `RemoteFailure` (type and task name) for an
///         exception, with its `what()` as message; kCorrupt for an argument that is not of its
///         parameter's type; kInvalidArgument for a result that cannot be written.
[[nodiscard]] Result<SerializedValue> Invoke(const FunctionEntry& function, Runtime& runtime,
                                             std::span<const Payload> arguments,
                                             std::shared_ptr<void>* instance = nullptr);

/// Fills `call.error`: argument `index` of `call` is not what the parameter wants.
void SetArgumentError(Invocation& call, std::size_t index, std::string_view type, Error error);
/// Fills `call.error` if the number of arguments is wrong. \return true if it is right.
[[nodiscard]] bool CheckArgumentCount(Invocation& call, std::size_t expected);

template <typename T>
bool DecodeArgument(Invocation& call, std::size_t index, T& out) {
  static_assert(std::is_default_constructible_v<T>,
                "mobula: a parameter 'T' is made empty and then filled; it needs a default "
                "constructor");
  Reader reader(call.arguments[index], &call.runtime);
  Decode<T>(reader, out);
  Result<void> end = reader.Finish();
  if (!end) SetArgumentError(call, index, TypeName<T>(), std::move(end.error()));
  return end.has_value();
}

template <typename T>
void EncodeResult(Invocation& call, const T& value) {
  if (Result<SerializedValue> result = EncodeValue(value)) {
    call.result = std::move(*result);
  } else {
    call.error = std::move(result.error());
  }
}

/// Decodes one argument per parameter, calls `callee`, writes its result.
template <typename Signature, typename Callee>
void Run(Invocation& call, Callee&& callee) {
  if (!CheckArgumentCount(call, Signature::kCount)) return;
  [&]<typename... P, std::size_t... I>(std::tuple<P...>*, std::index_sequence<I...>) {
    std::tuple<std::remove_cvref_t<P>...> values;
    if (!(DecodeArgument(call, I, std::get<I>(values)) && ...)) return;
    if constexpr (std::is_void_v<typename Signature::Result>) {
      callee(static_cast<P&&>(std::get<I>(values))...);
      EncodeResult(call, std::monostate());
    } else {
      EncodeResult<std::remove_cvref_t<typename Signature::Result>>(
          call, callee(static_cast<P&&>(std::get<I>(values))...));
    }
  }(static_cast<typename Signature::Parameters*>(nullptr),
    std::make_index_sequence<Signature::kCount>());
}

/// The record of one function or captureless function object `F`.
template <auto F>
struct Recorded {
  static void Invoke(Invocation& call) {
    Run<SignatureOf<F>>(call, [](auto&&... arguments) -> decltype(auto) {
      return F(std::forward<decltype(arguments)>(arguments)...);
    });
  }
  static inline const FunctionEntry entry{&Invoke, FunctionName<F>()};
};

}  // namespace mobula::internal
