/// \file
/// \brief A channel whose bytes pass through two rings that both processes map.
#pragma once

#include <memory>

#include "components/transport/stream/byte_channel.h"
#include "components/transport/stream/stream_transport.h"

namespace mobula::transport {

/// \return a channel over a connected unix socket. The end that connected makes the memory and
///         says so; the other takes it over when it hears of it, and holds writes back till then.
[[nodiscard]] std::unique_ptr<ByteChannel> MakeRingChannel(RealEventLoop& loop, Descriptor socket,
                                                           SocketEnd end);

}  // namespace mobula::transport
