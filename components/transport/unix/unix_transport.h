/// \file
/// \edge
/// \brief `unix:///path`: stream sockets on one machine, which also pass file descriptors.
#pragma once

#include <memory>

#include "components/transport/transport.h"

namespace mobula::transport {

/// \return a transport over unix sockets. A socket file has mode 0600 and goes with its listener;
///         one that a dead process left is replaced. Paths have at most 107 bytes.
[[nodiscard]] std::unique_ptr<Transport> MakeUnixTransport(RealEventLoop& loop);

inline constexpr Kind<Transport> kUnix{
    "unix", [](ConfigReader&, const Transport::Context& context) -> Kind<Transport>::Made {
      return MakeUnixTransport(context.real_loop);
    }};

}  // namespace mobula::transport
