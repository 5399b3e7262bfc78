/// \file
/// \brief Where the bytes of a store come from: the part that differs between its kinds.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "components/object_store/object_store.h"

namespace mobula::object_store {

/// Blocks start at multiples of this: a cache line, so that two objects never share one and
/// numeric arrays can be read in place.
inline constexpr std::uint64_t kBlockAlignment = 64;

/// \return what an object of this size takes from the capacity. \pre size_bytes <= 2^63.
[[nodiscard]] constexpr std::uint64_t BlockBytes(std::uint64_t size_bytes) {
  const std::uint64_t size = size_bytes == 0 ? 1 : size_bytes;  // every object has its own place
  return (size + kBlockAlignment - 1) / kBlockAlignment * kBlockAlignment;
}

/// Gives and takes blocks. `ObjectTable` does all accounting above it.
/// Threads: the state lock.
class ObjectMemory {
 public:
  virtual ~ObjectMemory() = default;
  /// \return a block of `BlockBytes(size_bytes)`, of which `size_bytes` are named; nullopt when no
  ///         free block is large enough. The bytes have any value.
  [[nodiscard]] virtual std::optional<StoredObject> Allocate(std::uint64_t size_bytes) = 0;
  /// Takes a block back, exactly as it was given.
  virtual void Free(const StoredObject& object) = 0;
  /// See ObjectStore::SharedDescriptor.
  [[nodiscard]] virtual int SharedDescriptor() const = 0;
  /// See ObjectStore::Name.
  [[nodiscard]] virtual std::string_view Name() const = 0;
};

}  // namespace mobula::object_store
