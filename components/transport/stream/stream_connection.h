/// \file
/// \brief A connection over a stream socket; shared by the tcp and unix kinds.
///
/// Asio says when the socket is ready; reading and writing are plain `recvmsg` and `sendmsg`, so
/// that attachments are received in place, descriptors travel along, and a burst of small frames
/// costs one system call in each direction. A user's thread that holds the state lock writes on its
/// own stack; reading happens on the loop only.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "components/transport/stream/descriptor.h"
#include "components/transport/transport.h"

namespace mobula {

class RealEventLoop;

/// What all connections of one transport share.
struct StreamContext {
  explicit StreamContext(RealEventLoop& l) : loop(l), scratch(std::size_t{64} << 10) {}
  RealEventLoop& loop;
  std::vector<std::byte> scratch;  ///< Where bytes are received before they are told apart.
};

/// \param socket connected, never blocks. \param describe for messages: "tcp://10.0.0.5:40122".
/// \param passes_descriptors true for unix sockets.
/// \param context owners: the transport and its connections.
[[nodiscard]] std::unique_ptr<Connection> MakeStreamConnection(
    std::shared_ptr<StreamContext> context, Descriptor socket, std::string describe,
    bool passes_descriptors);

}  // namespace mobula
