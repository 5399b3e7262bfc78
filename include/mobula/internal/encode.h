/// \file
/// \brief From a value to a `Writer`, by the shape of its type.
#pragma once

#include <boost/pfr/core.hpp>

#include "mobula/internal/shape.h"
#include "mobula/internal/writer.h"

namespace mobula {
namespace internal {
template <typename T>
void Encode(Writer& writer, const T& value);
}  // namespace internal

/// What a `Serialize` hook is given when a value is written: `archive(name_, amount_);`
class WriteArchive {
 public:
  static constexpr bool kReading = false;
  explicit WriteArchive(internal::Writer& writer) : writer_(writer) {}
  template <typename... T>
  void operator()(const T&... fields) {
    (internal::Encode<T>(writer_, fields), ...);
    count_ += sizeof...(T);
  }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  internal::Writer& writer_;
  std::size_t count_ = 0;
};

namespace internal {

template <typename T>
void EncodeHook(Writer& writer, const T& value) {
  std::size_t place = 0;
  if (!writer.BeginFields(place)) return;
  WriteArchive archive(writer);
  auto& target = const_cast<T&>(value);  // one hook serves both ways; this way reads
  if constexpr (MemberHook<T>) {
    target.Serialize(archive);
  } else {
    Serialize(archive, target);
  }
  writer.EndFields(place, archive.count());
}

template <typename T>
void EncodeNullable(Writer& writer, const T& value) {
  using Inner = std::remove_cvref_t<decltype(*value)>;
  if (!value) return writer.Nil();
  if constexpr (kMayBeNil<Inner>) {
    if (!writer.BeginArray(1)) return;
    Encode<Inner>(writer, *value);
    writer.End();
  } else {
    Encode<Inner>(writer, *value);
  }
}

template <typename... Types>
void EncodeVariant(Writer& writer, const std::variant<Types...>& value) {
  if (value.valueless_by_exception()) {
    return writer.Fail(Error(ErrorCode::kInvalidArgument, "a variant has lost its value"));
  }
  if (!writer.BeginArray(2)) return;
  writer.Number(value.index());
  std::visit([&](const auto& held) { Encode<std::remove_cvref_t<decltype(held)>>(writer, held); },
             value);
  writer.End();
}

template <typename T>
void EncodeRange(Writer& writer, const T& values) {
  if constexpr (ByteSequence<T>) {
    writer.Binary({reinterpret_cast<const char*>(values.data()), values.size()});
  } else if constexpr (requires { values.data(); } && Numeric<typename T::value_type>) {
    writer.Numbers(values.data(), values.size());
  } else {
    if (!writer.BeginArray(values.size())) return;
    for (auto&& value : values) Encode<typename T::value_type>(writer, value);
    writer.End();
  }
}

template <typename T>
void EncodeMap(Writer& writer, const T& map) {
  if (!writer.BeginMap(map.size())) return;
  for (const auto& [key, value] : map) {
    Encode<typename T::key_type>(writer, key);
    Encode<typename T::mapped_type>(writer, value);
  }
  writer.End();
}

template <typename T>
void EncodeFields(Writer& writer, const T& value) {
  const auto each = [&](const auto&... fields) {
    if (!writer.BeginArray(sizeof...(fields))) return;
    (Encode<std::remove_cvref_t<decltype(fields)>>(writer, fields), ...);
    writer.End();
  };
  if constexpr (TupleLike<T>) {
    std::apply(each, value);
  } else if constexpr (std::is_empty_v<T>) {
    each();
  } else {
    std::apply(each, boost::pfr::structure_tie(value));
  }
}

/// Writes `value`. Failures stay in the writer.
template <typename T>
void Encode(Writer& writer, const T& value) {
  if constexpr (HasCodec<T>) {
    Codec<T>::Encode(writer, value);
  } else if constexpr (MemberHook<T> || FreeHook<T>) {
    EncodeHook(writer, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    writer.Bool(value);
  } else if constexpr (std::is_enum_v<T>) {
    Encode<std::underlying_type_t<T>>(writer, static_cast<std::underlying_type_t<T>>(value));
  } else if constexpr (Numeric<T>) {
    writer.Number(value);
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
    writer.String(value);
  } else if constexpr (std::is_same_v<T, std::monostate>) {
    writer.Nil();
  } else if constexpr (Nullable<T>) {
    EncodeNullable(writer, value);
  } else if constexpr (kIs<T, std::variant>) {
    EncodeVariant(writer, value);
  } else if constexpr (kIsDuration<T>) {
    Encode<typename T::rep>(writer, value.count());
  } else if constexpr (MapLike<T>) {
    EncodeMap(writer, value);
  } else if constexpr (SetLike<T> || SequenceLike<T> || kIsStdArray<T>) {
    EncodeRange(writer, value);
  } else if constexpr (TupleLike<T> || PlainStruct<T>) {
    EncodeFields(writer, value);
  } else {
    static_assert(kNever<T>,
                  "mobula: values of this type 'T' cannot be sent to a task. Sendable are numbers, "
                  "strings, standard containers, plain structs of such, mobula::Buffer, Array and "
                  "ObjectRef, and classes with a Serialize(archive) hook; no pointers.");
  }
}

/// \return `value` written; errors as `Writer::Finish`. A large one is gone through twice: measured
///         first, so that what cannot fit takes no memory and what can is written without growing.
template <typename T>
[[nodiscard]] Result<SerializedValue> EncodeValue(const T& value) {
  Writer first(kWrittenAtOnceMax);
  Encode<T>(first, value);
  const bool is_measured = first.IsMeasured();
  Result<SerializedValue> written = std::move(first).Finish();
  if (!is_measured || !written) return written;
  Writer writer;
  writer.Reserve(written->size);
  Encode<T>(writer, value);
  return std::move(writer).Finish();
}

}  // namespace internal
}  // namespace mobula
