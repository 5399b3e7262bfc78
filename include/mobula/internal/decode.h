/// \file
/// \brief From a `Reader` to a value, by the shape of its type. The mirror of encode.h.
#pragma once

#include <boost/pfr/core.hpp>

#include "mobula/internal/reader.h"
#include "mobula/internal/shape.h"

namespace mobula {
namespace internal {
template <typename T>
bool Decode(Reader& reader, T& out);
}  // namespace internal

/// What a `Serialize` hook is given when a value is read; fields keep their values after a failure.
class ReadArchive {
 public:
  static constexpr bool kReading = true;
  ReadArchive(internal::Reader& reader, std::size_t count) : reader_(reader), left_(count) {}
  template <typename... T>
  void operator()(T&... fields) {
    (One(fields), ...);
  }
  /// \return true if every field so far was there and of its type.
  [[nodiscard]] bool ok() const { return reader_.ok(); }
  /// Says that what was read makes no sense: the whole value fails with this message.
  void Fail(std::string_view message) { reader_.Fail(message); }
  [[nodiscard]] std::size_t left() const { return left_; }

 private:
  template <typename T>
  void One(T& field) {
    if (!reader_.ok()) return;
    if (left_ == 0) {
      reader_.Fail("a Serialize hook reads more fields than were written");
      return;
    }
    --left_;
    internal::Decode<T>(reader_, field);
  }
  internal::Reader& reader_;
  std::size_t left_;
};

namespace internal {

/// Room for `count` claimed elements: a megabyte ahead, or all if numbers, whose bytes are there.
template <typename T>
[[nodiscard]] constexpr std::size_t ReserveFor(std::size_t count) {
  if constexpr (Numeric<T>) return count;
  constexpr std::size_t kAhead = (std::size_t{1} << 20) / sizeof(T) + 1;
  return count < kAhead ? count : kAhead;
}

template <typename T>
bool DecodeHook(Reader& reader, T& out) {
  std::size_t count = 0;
  if (!reader.BeginArray(count)) return false;
  ReadArchive archive(reader, count);
  if constexpr (MemberHook<T>) {
    out.Serialize(archive);
  } else {
    Serialize(archive, out);
  }
  if (!reader.ok()) return false;
  if (archive.left() != 0) return reader.Fail("a Serialize hook reads fewer fields than written");
  reader.End();
  return true;
}

template <typename T>
bool DecodeNullable(Reader& reader, T& out) {
  using Inner = std::remove_cvref_t<decltype(*out)>;
  out.reset();
  if (reader.NextIsNil()) return reader.Nil();
  if constexpr (kIs<T, std::optional>) {
    out.emplace();
  } else {
    out = std::make_unique<Inner>();
  }
  if constexpr (kMayBeNil<Inner>) {
    if (!reader.BeginFields(1, TypeName<T>()) || !Decode<Inner>(reader, *out)) return false;
    reader.End();
    return true;
  } else {
    return Decode<Inner>(reader, *out);
  }
}

template <typename... Types>
bool DecodeVariant(Reader& reader, std::variant<Types...>& out) {
  using Variant = std::variant<Types...>;
  std::size_t index = 0;
  if (!reader.BeginFields(2, TypeName<Variant>()) || !reader.Integer(index)) return false;
  if (index >= sizeof...(Types)) return reader.Fail("no such alternative of a variant");
  const bool ok = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return ((I == index && Decode<Types>(reader, out.template emplace<I>())) || ...);
  }(std::index_sequence_for<Types...>());
  if (ok) reader.End();
  return ok;
}

template <typename T>
bool DecodeBytes(Reader& reader, T& out) {
  std::string_view bytes;
  if (!reader.Binary(bytes)) return false;
  if constexpr (kIsStdArray<T>) {
    if (bytes.size() != out.size()) return reader.Fail("a byte array of another length");
  } else {
    out.resize(bytes.size());
  }
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return true;
}

template <typename T>
bool DecodeStdArray(Reader& reader, T& out) {
  if (!reader.BeginFields(out.size(), TypeName<T>())) return false;
  for (auto& element : out) {
    if (!Decode<typename T::value_type>(reader, element)) return false;
  }
  reader.End();
  return true;
}

/// Sequences, sets and maps. Sets and maps refuse doubles unless "multi".
template <typename T>
bool DecodeContainer(Reader& reader, T& out) {
  std::size_t count = 0;
  if (!(MapLike<T> ? reader.BeginMap(count) : reader.BeginArray(count))) return false;
  out.clear();
  if constexpr (requires { out.reserve(count); }) {
    out.reserve(ReserveFor<typename T::value_type>(count));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (MapLike<T>) {
      typename T::key_type key{};
      typename T::mapped_type value{};
      if (!Decode(reader, key) || !Decode(reader, value)) return false;
      out.emplace(std::move(key), std::move(value));
    } else {
      typename T::value_type element{};
      if (!Decode(reader, element)) return false;
      if constexpr (SetLike<T>) {
        out.insert(std::move(element));
      } else {
        out.push_back(std::move(element));
      }
    }
  }
  if (out.size() != count) return reader.Fail("an element occurs twice");
  reader.End();
  return true;
}

template <typename T>
bool DecodeFields(Reader& reader, T& out) {
  const auto each = [&](auto&... fields) {
    if (!reader.BeginFields(sizeof...(fields), TypeName<T>())) return false;
    if (!(Decode<std::remove_reference_t<decltype(fields)>>(reader, fields) && ...)) return false;
    reader.End();
    return true;
  };
  if constexpr (TupleLike<T>) {
    return std::apply(each, out);
  } else if constexpr (std::is_empty_v<T>) {
    return each();
  } else {
    return std::apply(each, boost::pfr::structure_tie(out));
  }
}

template <typename T>
bool DecodeLeaf(Reader& reader, T& out) {
  if constexpr (std::is_integral_v<T>) {
    return reader.Integer(out);
  } else if constexpr (std::is_floating_point_v<T>) {
    double value = 0;
    if (!reader.Float(value)) return false;
    out = static_cast<T>(value);
    return true;
  } else if constexpr (std::is_enum_v<T>) {
    std::underlying_type_t<T> value{};
    if (!Decode(reader, value)) return false;
    out = static_cast<T>(value);
    return true;
  } else if constexpr (kIsDuration<T>) {
    typename T::rep count{};
    if (!Decode(reader, count)) return false;
    out = T(count);
    return true;
  } else {  // std::string
    std::string_view text;
    if (!reader.String(text)) return false;
    out.assign(text);
    return true;
  }
}

/// Reads into `out`. \return false, with the failure in the reader, if that cannot be done.
template <typename T>
bool Decode(Reader& reader, T& out) {
  static_assert(!std::is_const_v<T>, "mobula: a const field 'T' cannot be filled when received");
  if constexpr (HasCodec<T>) {
    return Codec<T>::Decode(reader, out);
  } else if constexpr (MemberHook<T> || FreeHook<T>) {
    return DecodeHook(reader, out);
  } else if constexpr (std::is_same_v<T, bool>) {
    return reader.Bool(out);
  } else if constexpr (Numeric<T> || std::is_enum_v<T> || kIsDuration<T> ||
                       std::is_same_v<T, std::string>) {
    return DecodeLeaf(reader, out);
  } else if constexpr (std::is_same_v<T, std::monostate>) {
    return reader.Nil();
  } else if constexpr (Nullable<T>) {
    return DecodeNullable(reader, out);
  } else if constexpr (kIs<T, std::variant>) {
    return DecodeVariant(reader, out);
  } else if constexpr (ByteSequence<T>) {
    return DecodeBytes(reader, out);
  } else if constexpr (kIsStdArray<T>) {
    return DecodeStdArray(reader, out);
  } else if constexpr (MapLike<T> || SetLike<T> || SequenceLike<T>) {
    return DecodeContainer(reader, out);
  } else if constexpr (TupleLike<T> || PlainStruct<T>) {
    return DecodeFields(reader, out);
  } else {
    static_assert(kNever<T>,
                  "mobula: values of this type 'T' cannot be received by a task or by Get. See "
                  "mobula/serialization.h; for a string_view take a std::string, for a pointer "
                  "take the value.");
    return false;
  }
}

/// \return the value in `bytes`. kCorrupt if it is no `T`.
template <typename T>
[[nodiscard]] Result<T> DecodeValue(const Payload& bytes, Runtime* runtime) {
  static_assert(std::is_default_constructible_v<T>,
                "mobula: 'T' is made empty and then filled; it needs a default constructor");
  Reader reader(bytes, runtime);
  Result<T> out{};
  Decode<T>(reader, *out);
  if (Result<void> end = reader.Finish(); !end) return Fail(std::move(end.error()));
  return out;
}

}  // namespace internal
}  // namespace mobula
