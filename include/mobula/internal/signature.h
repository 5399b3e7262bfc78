/// \file
/// \edge
/// \brief Parameters and result of what `Remote<F>` is given.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

namespace mobula::internal {

template <typename R, typename... P>
struct SignatureBase {
  using Result = R;
  using Parameters = std::tuple<P...>;
  static constexpr std::size_t kCount = sizeof...(P);
};

/// Empty for what has no single signature: overloads, generic lambdas.
template <typename F>
struct Signature {};
template <typename R, typename... P>
struct Signature<R (*)(P...)> : SignatureBase<R, P...> {};
template <typename R, typename... P>
struct Signature<R (*)(P...) noexcept> : SignatureBase<R, P...> {};
template <typename C, typename R, typename... P>
struct Signature<R (C::*)(P...) const> : SignatureBase<R, P...> {};
template <typename C, typename R, typename... P>
struct Signature<R (C::*)(P...) const noexcept> : SignatureBase<R, P...> {};
template <typename F>
  requires requires { &F::operator(); }
struct Signature<F> : Signature<decltype(&F::operator())> {};

template <auto F>
using SignatureOf = Signature<std::remove_cvref_t<decltype(F)>>;

/// `F` can be called remotely: a function, or an object with one const call operator.
template <auto F>
concept RemoteFunctionLike = std::is_pointer_v<decltype(F)> || std::is_class_v<decltype(F)>;

template <auto F>
concept HasOneSignature = requires { typename SignatureOf<F>::Result; };

}  // namespace mobula::internal
