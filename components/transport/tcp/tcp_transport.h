/// \file
/// \edge
/// \brief `tcp://host:port`: stream sockets between machines. IPv4.
#pragma once

#include <memory>

#include "components/transport/transport.h"

namespace mobula::transport {

/// \return a transport over TCP. A host is an IPv4 address, "localhost", or a name, which is looked
///         up in a blocking way (files and DNS of the system) when listening or connecting: give
///         addresses where that matters. Port 0 listens at a free one.
[[nodiscard]] std::unique_ptr<Transport> MakeTcpTransport(RealEventLoop& loop);

inline constexpr Kind<Transport> kTcp{
    "tcp", [](ConfigReader&, const Transport::Context& context) -> Kind<Transport>::Made {
      return MakeTcpTransport(context.real_loop);
    }};

}  // namespace mobula::transport
