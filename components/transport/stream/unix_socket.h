/// \file
/// \edge
/// \brief Sockets that are files: what the kinds unix and shared_memory have in common.
#pragma once

#include <string>
#include <string_view>

#include "components/transport/stream/stream_transport.h"

namespace mobula::transport {

/// As the functions of `SocketKind`, for endpoints `scheme:///path`. A socket file has mode 0600
/// and goes with its listener; one that a dead process left is replaced. Paths have at most 107
/// bytes.
[[nodiscard]] Result<SocketAddress> UnixAddress(std::string_view scheme, std::string_view text);
[[nodiscard]] Result<ListeningSocket> ListenUnix(std::string_view scheme,
                                                 std::string_view endpoint);
[[nodiscard]] std::string PrepareUnix(int fd, SocketEnd end, std::string_view endpoint);

}  // namespace mobula::transport
