/// \file
/// \brief Frames on their way out of a stream: small ones run together, large ones uncopied.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <span>
#include <string>

#include "components/transport/frame.h"
#include "components/transport/stream/descriptor.h"

namespace mobula::transport {

/// Encodes frames into chunks that one `sendmsg` can take. Threads: the state lock.
/// Cost: headers and bodies below `kCopyMax` are copied once into a common chunk, so that a
/// burst of calls is one `iovec`; larger bodies are moved, attachments are only referred to.
class SendQueue {
 public:
  static constexpr std::size_t kCopyMax = 16 << 10;
  static constexpr std::size_t kChunkBytes = 64 << 10;

  /// Adds a frame; its lengths and flags are filled in. \return false if its descriptor could not
  /// be kept because the process may open no more.
  [[nodiscard]] bool Push(Frame frame);

  [[nodiscard]] bool empty() const { return chunks_.empty(); }
  /// \return all that waits; and of that, headers and bodies.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t body_bytes() const { return body_bytes_; }

  /// Points `parts` at what is to be sent next. \return how many were used. A chunk with a
  /// descriptor is always the first.
  [[nodiscard]] std::size_t Fill(std::span<iovec> parts) const;
  /// \return the descriptor that goes with the first byte of what `Fill` gave; -1: none.
  [[nodiscard]] int DescriptorToPass() const;
  /// Says that `size` bytes were sent.
  void Consume(std::uint64_t size);
  void Clear();

 private:
  struct Chunk {
    std::string text;  // headers and bodies, or:
    Payload payload;   // an attachment
    Descriptor descriptor;
    [[nodiscard]] std::span<const std::byte> bytes() const {
      return payload.empty() ? std::as_bytes(std::span(text)) : payload.bytes();
    }
  };
  std::string& Tail();

  std::deque<Chunk> chunks_;
  std::string spare_;     // memory of a sent chunk, for the next one
  std::size_t sent_ = 0;  // bytes of the first chunk that are gone
  std::uint64_t bytes_ = 0;
  std::uint64_t body_bytes_ = 0;
};

}  // namespace mobula::transport
