/// \file
/// \brief `Remote<F>(arguments...)`: runs a function somewhere in the cluster.
///
/// \code
/// auto nine = mobula::Remote<Square>(3);                        // ObjectRef<int>, at once
/// auto more = mobula::Remote<Square>(nine);                     // a ref stands for its value
/// auto big  = mobula::Remote<Square>.With({.num_cpus = 2})(12);
/// auto next = mobula::Remote<[](int x) { return x + 1; }>(3);   // no captures
/// auto pick = mobula::Remote<mobula::Overload<int(int)>(Twice)>(3);
/// \endcode
///
/// Parameters are values, `const T&` or `T&&` of types that serialization.h knows; move-only ones
/// too. Arguments are copied into the task; what the function changes stays there.
#pragma once

#include <type_traits>
#include <utility>

#include "mobula/internal/invocation.h"
#include "mobula/internal/submit.h"
#include "mobula/object_ref.h"
#include "mobula/options.h"

namespace mobula {

/// `Remote<F>` can be called with arguments of these types.
template <auto F, typename... Given>
concept RemotelyCallable =
    internal::HasOneSignature<F> &&
    internal::kAcceptsAll<typename internal::SignatureOf<F>::Parameters, Given...>;

/// Chooses one of several functions of one name by its signature.
template <typename Signature>
[[nodiscard]] constexpr Signature* Overload(std::type_identity_t<Signature>* function) {
  return function;
}

namespace internal {

/// The type of a reference to what `F` returns.
template <auto F>
struct ResultRefOf {
  static_assert(RemoteFunctionLike<F> && HasOneSignature<F>,
                "mobula: Remote<F> wants a function or a captureless lambda with one signature; "
                "choose among overloads with mobula::Overload<int(int)>(F), name the types of a "
                "generic lambda, and use mobula::Actor for members.");
  using Type = ObjectRef<void>;  // so that the message above stays the only one
};
template <auto F>
  requires(RemoteFunctionLike<F> && HasOneSignature<F>)
struct ResultRefOf<F> {
  static_assert(!kHasMutableReference<typename SignatureOf<F>::Parameters>,
                "mobula: a remote function cannot change its caller's variables; take the "
                "parameter by value or by const reference.");
  using Type = ObjectRef<std::remove_cvref_t<typename SignatureOf<F>::Result>>;
};

template <auto F, typename... Given>
auto SubmitCall(const TaskOptions& options, Given&&... given) -> typename ResultRefOf<F>::Type {
  if constexpr (!RemoteFunctionLike<F> || !HasOneSignature<F>) {
    return {};  // `ResultRefOf` has said so
  } else if constexpr (RemotelyCallable<F, Given...>) {
    using Parameters = typename SignatureOf<F>::Parameters;
    return typename ResultRefOf<F>::Type(SubmitOne(
        Recorded<F>::entry,
        MakeArguments(static_cast<Parameters*>(nullptr), std::forward<Given>(given)...), options));
  } else {
    using Parameters = typename SignatureOf<F>::Parameters;
    ExplainMismatch(static_cast<Parameters*>(nullptr), static_cast<std::tuple<Given...>*>(nullptr));
    return {};
  }
}

}  // namespace internal

/// A function with options, to be called any number of times. A value.
template <auto F>
class RemoteFunctionWith {
 public:
  explicit RemoteFunctionWith(internal::TaskOptions options) : options_(std::move(options)) {}
  /// Submits a task, as `RemoteFunction`.
  template <typename... Given>
  auto operator()(Given&&... given) const {
    return internal::SubmitCall<F>(options_, std::forward<Given>(given)...);
  }

 private:
  internal::TaskOptions options_;
};

/// The type of `Remote<F>`.
template <auto F>
class RemoteFunction {
 public:
  /// Submits a task. Does not wait, except for room in the store for large arguments.
  /// Throws NotInitializedError, InvalidArgumentError, StoreFullError; what the function throws
  /// comes out of `Get`.
  template <typename... Given>
  auto operator()(Given&&... given) const {
    return internal::SubmitCall<F>(internal::DefaultTaskOptions(), std::forward<Given>(given)...);
  }
  /// \return the function with these options. Throws InvalidArgumentError.
  [[nodiscard]] RemoteFunctionWith<F> With(const RemoteOptions& options) const {
    return RemoteFunctionWith<F>(internal::OrThrow(internal::ToTaskOptions(options)));
  }
};

template <auto F>
inline constexpr RemoteFunction<F> Remote{};

}  // namespace mobula
