/// \file
/// \brief `Buffer` and `Array<T>`: large values that are read where they lie, without a copy.
///
/// Put one, return one from a task, or keep one in a struct: from 4 KiB on its bytes travel beside
/// the rest of the value, and a reader sees them in the node's shared memory. Copies are cheap and
/// share the memory, which is given back when the last of them is gone.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "components/base/payload.h"
#include "mobula/internal/reader.h"
#include "mobula/internal/shape.h"
#include "mobula/internal/writer.h"

namespace mobula {

/// Immutable bytes. A value; copies share. Threads: as `shared_ptr`.
class Buffer {
 public:
  Buffer() = default;
  /// Takes over `bytes`.
  explicit Buffer(std::string bytes) : payload_(Payload::FromString(std::move(bytes))) {}
  /// Shares memory that somebody keeps alive.
  explicit Buffer(Payload payload) : payload_(std::move(payload)) {}
  [[nodiscard]] static Buffer CopyOf(std::span<const std::byte> bytes) {
    return Buffer(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

  [[nodiscard]] const std::byte* data() const { return payload_.bytes().data(); }
  [[nodiscard]] std::size_t size() const { return payload_.size(); }
  [[nodiscard]] bool empty() const { return payload_.empty(); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return payload_.bytes(); }
  [[nodiscard]] std::string_view text() const { return payload_.text(); }
  /// \return a part of it that shares the memory. \pre offset + size is within.
  [[nodiscard]] Buffer Slice(std::size_t offset, std::size_t size) const {
    return Buffer(payload_.Slice(offset, size));
  }
  [[nodiscard]] const Payload& payload() const { return payload_; }

  friend bool operator==(const Buffer& a, const Buffer& b) { return a.text() == b.text(); }

 private:
  Payload payload_;
};

/// What an array may hold: values that are nothing but their bytes. No pointers, please.
template <typename T>
concept ArrayElement = std::is_trivially_copyable_v<T> && std::is_same_v<T, std::remove_cv_t<T>> &&
                       !std::is_pointer_v<T> && alignof(T) <= internal::kPieceAlignment;

/// Immutable elements in a row. A value; copies share. Threads: as `shared_ptr`.
///
/// \code
/// auto pixels = mobula::Array<float>::Make(width * height);   // writable, 64-byte aligned
/// pixels[0] = 1;
/// return std::move(pixels).Share();                           // an Array<float>, not copied
/// \endcode
template <ArrayElement T>
class Array {
 public:
  using value_type = T;  // as standard containers
  using const_iterator = const T*;

  /// An array that is still being written, by one owner. `Share` ends that.
  class Builder {
   public:
    [[nodiscard]] T* data() { return data_.get(); }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] T* begin() { return data(); }
    [[nodiscard]] T* end() { return data() + size_; }
    [[nodiscard]] T& operator[](std::size_t index) { return data()[index]; }
    [[nodiscard]] std::span<T> span() { return {data(), size_}; }
    /// \return the array, immutable from now on. No copy.
    [[nodiscard]] Array Share() && {
      const std::span<const T> view(data_.get(), size_);
      return Array(Payload(std::shared_ptr<const void>(std::move(data_)), std::as_bytes(view)));
    }

   private:
    friend class Array;
    struct Free {
      void operator()(T* data) const {
        ::operator delete(data, std::align_val_t(internal::kPieceAlignment));
      }
    };
    explicit Builder(std::size_t size)
        : data_(static_cast<T*>(
              ::operator new(size * sizeof(T), std::align_val_t(internal::kPieceAlignment)))),
          size_(size) {}
    std::unique_ptr<T, Free> data_;
    std::size_t size_;
  };

  Array() = default;
  /// Takes over the elements of a vector. No copy.
  explicit Array(std::vector<T> values) {
    auto owned = std::make_shared<const std::vector<T>>(std::move(values));
    const auto bytes = std::as_bytes(std::span(*owned));
    payload_ = Payload(std::move(owned), bytes);
  }
  /// \return room for `size` elements, uninitialised. Throws std::bad_alloc.
  [[nodiscard]] static Builder Make(std::size_t size) {
    if (size > PTRDIFF_MAX / sizeof(T)) throw std::bad_array_new_length();
    return Builder(size);
  }
  [[nodiscard]] static Array CopyOf(std::span<const T> values) {
    Builder builder = Make(values.size());
    std::ranges::copy(values, builder.begin());
    return std::move(builder).Share();
  }

  [[nodiscard]] const T* data() const {
    return reinterpret_cast<const T*>(payload_.bytes().data());
  }
  [[nodiscard]] std::size_t size() const { return payload_.size() / sizeof(T); }
  [[nodiscard]] bool empty() const { return payload_.empty(); }
  [[nodiscard]] const T* begin() const { return data(); }
  [[nodiscard]] const T* end() const { return data() + size(); }
  [[nodiscard]] const T& operator[](std::size_t index) const { return data()[index]; }
  [[nodiscard]] std::span<const T> span() const { return {data(), size()}; }

  friend bool operator==(const Array& a, const Array& b)
    requires std::equality_comparable<T>
  {
    return std::ranges::equal(a, b);
  }

 private:
  friend struct internal::Codec<Array>;
  explicit Array(Payload payload) : payload_(std::move(payload)) {}
  Payload payload_;  // a whole number of elements, aligned for T
};

template <>
struct internal::Codec<Buffer> {
  static void Encode(Writer& writer, const Buffer& value) { writer.Bytes(value.payload()); }
  static bool Decode(Reader& reader, Buffer& out) {
    Payload bytes;
    if (!reader.Bytes(bytes)) return false;
    out = Buffer(std::move(bytes));
    return true;
  }
};

template <typename T>
struct internal::Codec<Array<T>> {
  static void Encode(Writer& writer, const Array<T>& value) { writer.Bytes(value.payload_); }
  static bool Decode(Reader& reader, Array<T>& out) {
    Payload bytes;
    if (!reader.Bytes(bytes)) return false;
    if (bytes.size() % sizeof(T) != 0) {
      return reader.Fail("bytes that are no whole number of array elements");
    }
    if (reinterpret_cast<std::uintptr_t>(bytes.bytes().data()) % alignof(T) == 0) {
      out = Array<T>(std::move(bytes));
      return true;
    }
    auto copy = Array<T>::Make(bytes.size() / sizeof(T));  // a small one, within the document
    if (!bytes.empty()) std::memcpy(copy.data(), bytes.bytes().data(), bytes.size());
    out = std::move(copy).Share();
    return true;
  }
};

}  // namespace mobula
