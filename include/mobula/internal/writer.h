/// \file
/// \edge
/// \brief Writes one value as a MessagePack document plus large buffers beside it.
///
/// The templates of encode.h call this for every leaf. Numbers and strings are appended inline;
/// what is rare (references, large buffers, the end) is in writer.cc. The first failure sticks
/// and comes out of `Finish`, so that encoding code needs no checks of its own.
///
/// Extensions: 1 is a reference (id, index of its owner, and the owner's bytes the first time it
/// occurs; empty for null), 2 is a large buffer (offset in the object and size, 8 bytes each).
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include "mobula/internal/runtime.h"

namespace mobula::internal {

inline constexpr std::size_t kDepthMax = 64;           ///< Arrays and maps inside each other.
inline constexpr std::size_t kInlineBufferMax = 4096;  ///< From here on a buffer goes beside.
inline constexpr std::size_t kPieceAlignment = 64;
inline constexpr std::size_t kWrittenAtOnceMax = 1 << 20;  ///< A larger document is measured first.
inline constexpr std::uint8_t kExtReference = 1;
inline constexpr std::uint8_t kExtBuffer = 2;

/// \return `size` rounded up to where the next piece may start.
[[nodiscard]] constexpr std::size_t AlignPiece(std::size_t size) {
  return (size + kPieceAlignment - 1) / kPieceAlignment * kPieceAlignment;
}

/// Writes `value` big-endian. \return the end of it.
template <std::integral T>
char* PutBigEndian(char* out, T value) {
  if constexpr (std::endian::native == std::endian::little) value = std::byteswap(value);
  std::memcpy(out, &value, sizeof value);
  return out + sizeof value;
}

/// Writes one tag byte and a number.
template <std::integral T>
char* PutTagged(char* out, unsigned char tag, T value) {
  *out = static_cast<char>(tag);
  return PutBigEndian(out + 1, value);
}

/// Writes a number in its shortest form. \pre nine bytes of room. \return the end of it.
template <typename T>
char* PutNumber(char* out, T value) {
  if constexpr (std::is_same_v<T, float>) {
    return PutTagged(out, 0xca, std::bit_cast<std::uint32_t>(value));
  } else if constexpr (std::is_same_v<T, double>) {
    return PutTagged(out, 0xcb, std::bit_cast<std::uint64_t>(value));
  } else {
    if constexpr (std::is_signed_v<T>) {
      if (value < 0) {
        const std::int64_t wide = value;  // NOLINT(bugprone-signed-char-misuse): a number
        if (wide >= -32) return PutBigEndian(out, static_cast<std::int8_t>(wide));
        if (wide >= INT8_MIN) return PutTagged(out, 0xd0, static_cast<std::int8_t>(wide));
        if (wide >= INT16_MIN) return PutTagged(out, 0xd1, static_cast<std::int16_t>(wide));
        if (wide >= INT32_MIN) return PutTagged(out, 0xd2, static_cast<std::int32_t>(wide));
        return PutTagged(out, 0xd3, wide);
      }
    }
    const std::uint64_t wide = value;  // NOLINT(bugprone-signed-char-misuse): the same
    if (wide < 0x80) return PutBigEndian(out, static_cast<std::uint8_t>(wide));
    if (wide <= UINT8_MAX) return PutTagged(out, 0xcc, static_cast<std::uint8_t>(wide));
    if (wide <= UINT16_MAX) return PutTagged(out, 0xcd, static_cast<std::uint16_t>(wide));
    if (wide <= UINT32_MAX) return PutTagged(out, 0xce, static_cast<std::uint32_t>(wide));
    return PutTagged(out, 0xcf, wide);
  }
}

/// \return how many bytes `PutNumber` writes. Without branches, for long vectors.
template <typename T>
constexpr std::size_t NumberSize(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    return 1 + sizeof value;
  } else {
    const bool negative = std::is_signed_v<T> && value < T{};
    const auto wide = static_cast<std::uint64_t>(value);
    // Negative numbers have half the range of each width, and 5 bits in one byte, not 7.
    const std::uint64_t bits = negative ? ~wide << 1 | 1 : wide;
    const std::uint64_t small = negative ? 0x40 : 0x80;
    return 1U + (bits >= small) + (bits > UINT8_MAX) + 2U * (bits > UINT16_MAX) +
           4U * (bits > UINT32_MAX);
  }
}

/// One document being written. Threads: one at a time. Lifetime: of one value.
///
/// A document that outgrows its room is dropped and only measured from then on: whether a value
/// fits into the store is known before it takes memory.
class Writer {
 public:
  explicit Writer(std::size_t room = SIZE_MAX) : room_(room) {}
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void Nil() { Append('\xc0'); }
  void Bool(bool value) { Append(value ? '\xc3' : '\xc2'); }
  template <typename T>
  void Number(T value) {
    char buffer[9];
    Append({buffer, static_cast<std::size_t>(PutNumber(buffer, value) - buffer)});
  }
  /// An array of numbers: the vectors of science and of machine learning. Room is made once.
  template <typename T>
  void Numbers(const T* values, std::size_t count) {
    if (!BeginArray(count)) return;
    End();
    std::size_t added = 0;
    for (std::size_t i = 0; i < count; ++i) added += NumberSize(values[i]);
    if (!HasRoom(added)) return;
    const std::size_t old = document_.size();
    document_.resize_and_overwrite(old + added, [&](char* begin, std::size_t /*GCC 12: more*/) {
      char* out = begin + old;
      for (std::size_t i = 0; i < count; ++i) out = PutNumber(out, values[i]);
      return old + added;
    });
  }
  void String(std::string_view text) {
    if (text.size() < 32) {
      Append(static_cast<char>(0xa0 | text.size()));
    } else if (!Header(text.size(), 0xd9, 0xda, 0xdb)) {
      return;
    }
    Append(text);
  }
  void Binary(std::string_view bytes) {
    if (Header(bytes.size(), 0xc4, 0xc5, 0xc6)) Append(bytes);
  }

  /// Opens an array of `count` values or a map of `count` pairs; `End` closes it.
  /// \return false, with the failure kept, when it is too large or too deep.
  bool BeginArray(std::size_t count) { return Begin(count, 0x90, 0xdc); }
  bool BeginMap(std::size_t count) { return Begin(count, 0x80, 0xde); }
  void End() { --depth_; }
  /// Opens an array whose length `EndFields` fills in. \param place is for `EndFields`.
  [[nodiscard]] bool BeginFields(std::size_t& place);
  void EndFields(std::size_t place, std::size_t count);

  /// Writes bytes: in the document if small, else beside it, sharing the memory until copied.
  void Bytes(const Payload& bytes);
  /// Writes a reference, null included, and remembers it.
  void Reference(const ReferencePtr& reference);

  /// Keeps the first failure.
  void Fail(Error error);
  [[nodiscard]] bool ok() const { return error_ == nullptr; }
  /// \return whether the document outgrew its room.
  [[nodiscard]] bool IsMeasured() const { return measured_ > 0; }
  void Reserve(std::size_t bytes) { document_.reserve(bytes); }
  /// \return the value; only its size if measured. kInvalidArgument for what cannot be written:
  ///         deeper than `kDepthMax`, longer than 2^32 - 1, a variant that lost its value.
  ///         kStoreFull with both sizes for what can never fit into this node's store.
  [[nodiscard]] Result<SerializedValue> Finish() &&;

 private:
  bool Begin(std::size_t count, unsigned char small_tag, unsigned char wide_tag) {
    if (count < 16 && depth_ < kDepthMax) [[likely]] {
      Append(static_cast<char>(small_tag | count));
      ++depth_;
      return true;
    }
    return BeginSlow(count, wide_tag);
  }
  bool BeginSlow(std::size_t count, unsigned char wide_tag);
  bool Header(std::size_t size, unsigned char tag8, unsigned char tag16, unsigned char tag32);
  void Append(std::string_view bytes) {
    if (HasRoom(bytes.size())) document_.append(bytes);
  }
  void Append(char byte) {
    if (HasRoom(1)) document_.push_back(byte);
  }
  bool HasRoom(std::size_t size) {
    if (size <= room_ - document_.size()) [[likely]] {
      return true;
    }
    Measure(size);
    return false;
  }
  void Measure(std::size_t size);

  std::string document_;
  std::size_t room_;          // for the document; none once it is measured
  std::size_t measured_ = 0;  // bytes that were not kept
  std::size_t depth_ = 0;
  SerializedValue value_;                             // pieces hold patch places until `Finish`
  std::map<std::string_view, std::uint32_t> owners_;  // views into value_.references
  std::unique_ptr<Error> error_;
};

}  // namespace mobula::internal
