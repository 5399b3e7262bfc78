/// \file
/// \brief A connection over a stream of bytes; shared by the kinds tcp, unix and shared_memory.
///
/// Attachments are received in place, descriptors travel along, and a burst of small frames is one
/// write and one read of the channel below. A user's thread that holds the state lock writes on its
/// own stack; reading happens on the loop, and in whoever polls it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "components/transport/stream/byte_channel.h"
#include "components/transport/transport.h"

namespace mobula {
class RealEventLoop;
}  // namespace mobula

namespace mobula::transport {

/// What all connections of one transport share.
struct StreamContext {
  explicit StreamContext(RealEventLoop& l) : loop(l), scratch(std::size_t{64} << 10) {}
  RealEventLoop& loop;
  std::vector<std::byte> scratch;  ///< Where bytes are received before they are told apart.
};

/// \param describe for messages: "tcp://10.0.0.5:40122".
/// \param passes_descriptors whether the channel can.
/// \param context owners: the transport and its connections.
[[nodiscard]] std::unique_ptr<Connection> MakeStreamConnection(
    std::shared_ptr<StreamContext> context, std::unique_ptr<ByteChannel> channel,
    std::string describe, bool passes_descriptors);

}  // namespace mobula::transport
