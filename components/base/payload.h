/// \file
/// \brief Bytes that somebody keeps alive: what travels as attachment, argument or object value.
///
/// A `Payload` is a read-only view plus a share in whatever owns the memory: a string, an arena
/// block that stays pinned, a mapping. Copying it copies no bytes. `WritablePayload` is the same
/// for a destination: who receives into it keeps it from being reused until done.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace mobula {

/// Immutable bytes with shared ownership. A value. Threads: as `shared_ptr`.
class Payload {
 public:
  Payload() = default;
  /// `bytes` must stay valid and unchanged while `keep` is held by anyone.
  Payload(std::shared_ptr<const void> keep, std::span<const std::byte> bytes)
      : keep_(std::move(keep)), bytes_(bytes) {}
  /// Takes over `text`.
  [[nodiscard]] static Payload FromString(std::string text) {
    auto owned = std::make_shared<const std::string>(std::move(text));
    const auto bytes = std::as_bytes(std::span(*owned));
    return {std::move(owned), bytes};
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] const std::shared_ptr<const void>& keep() const { return keep_; }
  /// \return a part of it, sharing the memory. \pre offset + size is within.
  [[nodiscard]] Payload Slice(std::size_t offset, std::size_t size) const {
    return {keep_, bytes_.subspan(offset, size)};
  }

 private:
  std::shared_ptr<const void> keep_;  // owners: every copy and slice of this payload
  std::span<const std::byte> bytes_;
};

/// Memory to receive into. A value; every holder of `keep` may write.
struct WritablePayload {
  std::shared_ptr<void> keep;  ///< Owners: the receiver and the one who asked for the bytes.
  std::span<std::byte> bytes;

  /// \return fresh memory of this many bytes, uninitialised.
  [[nodiscard]] static WritablePayload Allocate(std::size_t size) {
    std::shared_ptr<std::byte[]> owned(new std::byte[size]);
    const std::span<std::byte> bytes(owned.get(), size);
    return {std::shared_ptr<void>(owned, owned.get()), bytes};
  }
  [[nodiscard]] Payload Freeze() const { return {keep, bytes}; }
};

}  // namespace mobula
