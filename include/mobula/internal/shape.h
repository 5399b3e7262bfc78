/// \file
/// \edge
/// \brief What kind of thing a type is, as far as serialization asks.
///
/// Containers are recognised by what they can do, not by name, so that a user's program does not
/// include every container of the standard library.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace mobula {
class WriteArchive;
class ReadArchive;
}  // namespace mobula

namespace mobula::internal {

/// Specialised for types of Mobula itself: `static void Encode(Writer&, const T&)` and
/// `static bool Decode(Reader&, T&)`.
template <typename T>
struct Codec;
template <typename T>
concept HasCodec = requires { sizeof(Codec<T>); };

/// The user says how: `template <class A> void Serialize(A& archive)` as a member, or
/// `template <class A> void Serialize(A& archive, T& value)` beside the type.
template <typename T>
concept MemberHook = std::is_class_v<T> && requires(T& value, WriteArchive& out, ReadArchive& in) {
  value.Serialize(out);
  value.Serialize(in);
};
template <typename T>
concept FreeHook = std::is_class_v<T> && requires(T& value, WriteArchive& out, ReadArchive& in) {
  Serialize(out, value);
  Serialize(in, value);
};

template <typename T, template <typename...> class Template>
inline constexpr bool kIs = false;
template <template <typename...> class Template, typename... Args>
inline constexpr bool kIs<Template<Args...>, Template> = true;

template <typename T>
inline constexpr bool kIsDuration = false;
template <typename Rep, typename Period>
inline constexpr bool kIsDuration<std::chrono::duration<Rep, Period>> = true;

template <typename T>
inline constexpr bool kIsStdArray = false;
template <typename T, std::size_t N>
inline constexpr bool kIsStdArray<std::array<T, N>> = true;

/// Integers of at most eight bytes, float and double.
template <typename T>
concept Numeric = std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && sizeof(T) <= 8;

template <typename T>
concept PlainByte =
    std::is_same_v<T, char> || std::is_same_v<T, unsigned char> || std::is_same_v<T, std::byte>;

/// A vector or array of bytes: one string of bytes, not many numbers.
template <typename T>
concept ByteSequence = (kIs<T, std::vector> || kIsStdArray<T>) && PlainByte<typename T::value_type>;

/// May be absent: written as nil.
template <typename T>
concept Nullable = kIs<T, std::optional> || kIs<T, std::unique_ptr>;

/// Types whose own value may be nil, so that "absent" around them needs one more level.
template <typename T>
inline constexpr bool kMayBeNil = Nullable<T> || std::is_same_v<T, std::monostate>;

template <typename T>
concept MapLike = requires(T& map, typename T::key_type key, typename T::mapped_type value) {
  map.emplace(std::move(key), std::move(value));
  map.begin()->second;
  map.size();
};
template <typename T>
concept SetLike = !MapLike<T> && requires(T& set, typename T::key_type key) {
  set.insert(std::move(key));
  set.begin();
  set.size();
};
template <typename T>
concept SequenceLike = requires(T& sequence, typename T::value_type value) {
  sequence.push_back(std::move(value));
  sequence.begin();
  sequence.size();
};
template <typename T>
concept TupleLike = kIs<T, std::tuple> || kIs<T, std::pair>;

/// A struct without constructors: its fields are seen by Boost.PFR. Up to 200 fields, no C array
/// among them, no base classes.
template <typename T>
concept PlainStruct = std::is_class_v<T> && std::is_aggregate_v<T> && !std::is_polymorphic_v<T>;

template <typename>
inline constexpr bool kNever = false;

}  // namespace mobula::internal
