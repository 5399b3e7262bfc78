/// \file
/// \edge
/// \brief A transport over stream sockets: what the kinds tcp and unix have in common.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "components/transport/stream/byte_channel.h"
#include "components/transport/transport.h"

namespace mobula {
class RealEventLoop;
}  // namespace mobula

namespace mobula::transport {

/// Connections that may wait to be accepted.
inline constexpr int kListenBacklog = 4096;

/// A socket that listens.
struct ListeningSocket {
  Descriptor socket;
  std::string endpoint;          ///< The one others connect to.
  std::shared_ptr<void> keep{};  ///< Goes when the listener goes, which alone owns it.
};

enum class SocketEnd : std::uint8_t { kAccepted, kConnected };

/// What tells one kind of socket from another.
struct SocketKind {
  std::string_view scheme;
  TransportAbilities abilities;
  /// Errors as `Transport::Connect`.
  Result<SocketAddress> (*resolve)(std::string_view endpoint);
  /// Errors as `Transport::Listen`.
  Result<ListeningSocket> (*listen)(std::string_view endpoint);
  /// Sets the options of a connected socket. \return what messages call its connection.
  std::string (*prepare)(int fd, SocketEnd end, std::string_view endpoint);
  /// Makes of it what carries the bytes; null: the socket itself does.
  std::unique_ptr<ByteChannel> (*upgrade)(RealEventLoop& loop, Descriptor socket,
                                          SocketEnd end) = nullptr;
};

/// \return a transport over sockets of this kind. When the process has no descriptors left, its
///         listeners pause for a tenth of a second and go on.
[[nodiscard]] std::unique_ptr<Transport> MakeStreamTransport(RealEventLoop& loop, SocketKind kind);

}  // namespace mobula::transport
