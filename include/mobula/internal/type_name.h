/// \file
/// \edge
/// \brief Printed names of types and functions, for messages and for `FunctionKey`.
#pragma once

#include <string>
#include <string_view>

namespace mobula::internal {

/// \return the part of a compiler's `__PRETTY_FUNCTION__` after "Printed = ".
[[nodiscard]] constexpr std::string_view CutPrinted(std::string_view pretty) {
  constexpr std::string_view kMark = "Printed = ";
  const std::size_t begin = pretty.find(kMark) + kMark.size();
  return pretty.substr(begin, pretty.rfind(']') - begin);
}

template <typename Printed>
[[nodiscard]] constexpr const char* PrettyOfType() {
  return __PRETTY_FUNCTION__;
}
template <auto Printed>
[[nodiscard]] constexpr const char* PrettyOfValue() {
  return __PRETTY_FUNCTION__;
}

/// \return the compiler's name of `T`.
template <typename T>
[[nodiscard]] constexpr std::string_view TypeName() {
  return CutPrinted(PrettyOfType<T>());
}
/// \return the compiler's name of a function, such as "{anonymous}::Square". Not unique.
template <auto F>
[[nodiscard]] constexpr std::string_view FunctionName() {
  constexpr std::string_view kName = CutPrinted(PrettyOfValue<F>());
  return kName.starts_with('&') ? kName.substr(1) : kName;
}

/// \return a name as people write it: "std::string", not "std::__cxx11::basic_string<char>".
[[nodiscard]] std::string Readable(std::string_view name);

}  // namespace mobula::internal
