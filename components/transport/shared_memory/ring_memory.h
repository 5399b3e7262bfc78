/// \file
/// \brief The memory of one connection: two rings, made by one process and mapped by both.
#pragma once

#include <cstddef>
#include <cstdint>

#include "components/transport/shared_memory/ring.h"
#include "components/transport/stream/descriptor.h"

namespace mobula::transport {

/// A mapping of it. Not inherited by `fork`: a child would talk in our name. The size is sealed, so
/// that no peer can take the memory away under us.
class RingMemory {
 public:
  /// \return fresh memory, and its descriptor for the peer. kResourceExhausted without any left.
  [[nodiscard]] static Result<std::pair<RingMemory, Descriptor>> Make();
  /// \return what a peer made. kCorrupt unless it is such memory.
  [[nodiscard]] static Result<RingMemory> Map(int memory);

  RingMemory() = default;
  RingMemory(RingMemory&& other) noexcept : layout_(std::exchange(other.layout_, nullptr)) {}
  RingMemory& operator=(RingMemory&& other) noexcept {
    std::swap(layout_, other.layout_);
    return *this;
  }
  ~RingMemory();

  /// The ring that the end which connected (0) or the other (1) writes to.
  [[nodiscard]] RingWriter Writer(int end) const;
  [[nodiscard]] RingReader Reader(int end) const;

 private:
  struct Layout;
  explicit RingMemory(Layout* layout) : layout_(layout) {}
  Layout* layout_ = nullptr;
};

}  // namespace mobula::transport
