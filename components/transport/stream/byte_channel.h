/// \file
/// \brief What carries the bytes of a connection: a socket, or rings in shared memory.
///
/// A stream connection makes frames of bytes (stream_connection.h); a channel moves the bytes. Both
/// are non-blocking: a channel takes and gives what it can now, and says once when there is more.
#pragma once

#include <sys/uio.h>

#include <deque>
#include <functional>
#include <memory>
#include <span>

#include "components/transport/stream/descriptor.h"

namespace mobula {
class RealEventLoop;
}  // namespace mobula

namespace mobula::transport {

/// One end of a two-way stream of bytes.
///
/// Threads: the state lock. Lifetime: owned by one connection; destroying it ends the stream.
/// Errors are negative errno values: -EAGAIN is "not now", -EBADMSG "this is no stream of ours".
class ByteChannel {
 public:
  using Callback = std::move_only_function<void()>;
  static constexpr std::size_t kDescriptorsMax = 16;  ///< Received by one `Read`.
  virtual ~ByteChannel() = default;

  /// Takes bytes from the front of `parts` and makes them visible to the peer as one.
  /// \param descriptor passed beside the first byte; -1: none. \return how many bytes, or an error.
  virtual ssize_t Write(std::span<const iovec> parts, int descriptor) = 0;
  /// Gives bytes: first into `direct`, then into `scratch`. Descriptors that came are appended.
  /// \return how many bytes; 0: the peer is gone and nothing is left; or an error.
  virtual ssize_t Read(std::span<std::byte> direct, std::span<std::byte> scratch,
                       std::deque<Descriptor>& descriptors) = 0;
  /// Calls back once, on the loop, when `Read` or `Write` is worth another try. One of each waits
  /// at a time.
  virtual void AwaitReadable(Callback callback) = 0;
  virtual void AwaitWritable(Callback callback) = 0;
  /// Tells the peer that this was all. What it has not read yet it still can.
  virtual void Shut() = 0;
};

/// \return a channel over a connected socket that never blocks. \param passes_descriptors true for
///         unix sockets.
[[nodiscard]] std::unique_ptr<ByteChannel> MakeSocketChannel(RealEventLoop& loop, Descriptor socket,
                                                             bool passes_descriptors);

/// Sends `parts` over a unix socket with `descriptors` beside the first byte.
/// \return bytes sent, or -errno.
[[nodiscard]] ssize_t SendWithDescriptors(int socket, std::span<const iovec> parts,
                                          std::span<const int> descriptors);
/// Receives into `parts`; descriptors that came are appended. \return as `ByteChannel::Read`.
[[nodiscard]] ssize_t ReceiveWithDescriptors(int socket, std::span<iovec> parts,
                                             std::deque<Descriptor>& descriptors);

}  // namespace mobula::transport
