/// \file
/// \brief From the arguments of a call to the arguments of a task, checked at compile time.
#pragma once

#include <concepts>
#include <utility>
#include <vector>

#include "mobula/errors.h"
#include "mobula/internal/encode.h"
#include "mobula/internal/function_table.h"
#include "mobula/internal/signature.h"
#include "mobula/object_ref.h"
#include "mobula/options.h"

namespace mobula::internal {

/// \return the runtime. Throws NotInitializedError.
[[nodiscard]] std::shared_ptr<Runtime> RequireRuntime();
/// \return the value of `result`, or throws what its error stands for.
template <typename T>
T OrThrow(Result<T> result) {
  if (!result) Throw(std::move(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// `Given` may stand for a parameter of type `Parameter`: it converts, or is a ref to such a value.
template <typename Given, typename Parameter>
concept Accepts =
    std::convertible_to<Given, std::remove_cvref_t<Parameter>> ||
    std::same_as<std::remove_cvref_t<Given>, ObjectRef<std::remove_cvref_t<Parameter>>>;

template <typename Parameters, typename... Given>
inline constexpr bool kAcceptsAll = false;
template <typename... P, typename... Given>
  requires(sizeof...(P) == sizeof...(Given))
inline constexpr bool kAcceptsAll<std::tuple<P...>, Given...> = (Accepts<Given, P> && ...);

/// A mutable reference cannot reach into another process.
template <typename Parameter>
inline constexpr bool kIsMutableReference =
    std::is_lvalue_reference_v<Parameter> && !std::is_const_v<std::remove_reference_t<Parameter>>;
template <typename Parameters>
inline constexpr bool kHasMutableReference = false;
template <typename... P>
inline constexpr bool kHasMutableReference<std::tuple<P...>> =
    (kIsMutableReference<P> || ...);  // NOLINT(misc-redundant-expression): a fold

/// Instantiated for a wrong argument only, to say so once and readably.
template <std::size_t Position, typename Given, typename Parameter>
struct CheckArgument {
  static_assert(Accepts<Given, Parameter>,
                "mobula: the argument at 'Position' (from 0) of this remote call is a 'Given'; the "
                "function takes a 'Parameter' there, or an ObjectRef to one.");
};
template <std::size_t Expected, std::size_t Given>
struct CheckCount {
  static_assert(Expected == Given,
                "mobula: this remote call has 'Given' arguments; the function takes 'Expected'.");
};

template <typename... P, typename... Given>
constexpr void ExplainMismatch(std::tuple<P...>*, std::tuple<Given...>*) {
  if constexpr (sizeof...(P) != sizeof...(Given)) {
    static_cast<void>(CheckCount<sizeof...(P), sizeof...(Given)>());
  } else {
    []<std::size_t... I>(std::index_sequence<I...>) {
      static_cast<void>((sizeof(CheckArgument<I, Given, P>) + ... + 0));
    }(std::index_sequence_for<P...>());
  }
}

template <typename Parameter, typename Given>
Argument MakeArgument(Given&& given) {
  using Value = std::remove_cvref_t<Parameter>;
  using Plain = std::remove_cvref_t<Given>;
  if constexpr (std::is_same_v<Plain, Value>) {
    return {OrThrow(EncodeValue<Value>(given)), nullptr};
  } else if constexpr (std::is_same_v<Plain, ObjectRef<Value>>) {
    if (given.IsNull()) {
      Throw(Error(ErrorCode::kInvalidArgument, "an argument is an ObjectRef that names nothing"));
    }
    return {{}, given.reference()};
  } else {
    const Value value = std::forward<Given>(given);  // NOLINT(bugprone-signed-char-misuse): meant
    return {OrThrow(EncodeValue<Value>(value)), nullptr};
  }
}

/// \return the arguments of a call, in order, written. Throws what encoding fails with.
template <typename... P, typename... Given>
std::vector<Argument> MakeArguments(std::tuple<P...>*, Given&&... given) {
  std::vector<Argument> arguments;
  arguments.reserve(sizeof...(P));
  (arguments.push_back(MakeArgument<P>(std::forward<Given>(given))), ...);
  return arguments;
}

/// Submits a task with one result. Throws what the runtime fails with.
[[nodiscard]] ReferencePtr SubmitOne(const FunctionEntry& function, std::vector<Argument> arguments,
                                     const TaskOptions& options);

}  // namespace mobula::internal
