#include "components/transport/tcp/tcp_transport.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>

#include "components/transport/stream/stream_transport.h"

namespace mobula::transport {
namespace {

SocketAddress Address(in_addr host, std::uint16_t port) {
  SocketAddress address;
  auto* in = reinterpret_cast<sockaddr_in*>(&address.storage);
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  in->sin_addr = host;
  address.size = sizeof *in;
  return address;
}

Result<SocketAddress> Resolve(std::string_view text) {
  auto endpoint = ParseEndpoint(text);
  if (!endpoint) return Fail(std::move(endpoint.error()));
  if (endpoint->scheme != "tcp") {
    return Fail(ErrorCode::kInvalidArgument,
                "'{}' is no tcp endpoint; write one such as tcp://127.0.0.1:6379", text);
  }
  in_addr host{};
  // Known without a file or a server: a cluster on a laptop must start without a network.
  if (endpoint->host == "localhost") {
    host.s_addr = htonl(INADDR_LOOPBACK);
    return Address(host, endpoint->port);
  }
  // Addresses need no resolver, which may block for seconds when the network is down.
  if (::inet_pton(AF_INET, endpoint->host.c_str(), &host) == 1) {
    return Address(host, endpoint->port);
  }
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(endpoint->host.c_str(), nullptr, &hints, &found);
      error != 0) {
    return Fail(ErrorCode::kUnavailable, "the name '{}' in {} is not known: {}", endpoint->host,
                text, ::gai_strerror(error));
  }
  // The first address is taken, though a name may have several: the configuration means one host.
  host = reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr;
  ::freeaddrinfo(found);
  return Address(host, endpoint->port);
}

/// Small frames leave at once; a peer whose machine vanished is noticed within half a minute.
std::string Prepare(int fd, SocketEnd /*end*/, std::string_view /*endpoint*/) {
  const auto set = [fd](int level, int option, int value) {
    (void)::setsockopt(fd, level, option, &value, sizeof value);
  };
  // Frames are sent in batches already, so the kernel need not wait for more to send with one.
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  // A host that lost its power says nothing. The kernel asks it now and then, and gives up in time.
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  // Keepalives are not sent while data waits for its acknowledgement; this bounds that wait (ms).
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
  return "tcp://" + FormatAddress(RemoteAddress(fd));
}

Result<Descriptor> OpenListening(const SocketAddress& address) {
  auto socket = OpenSocket(AF_INET);
  if (!socket) return socket;
  const int one = 1;
  // A head that starts again takes its port back at once, and not after the minutes for which the
  // kernel keeps old connections in TIME_WAIT.
  (void)::setsockopt(socket->get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(socket->get(), address.get(), address.size) == 0 &&
      ::listen(socket->get(), kListenBacklog) == 0) {
    return socket;
  }
  // The usual mistakes, told in words that say what to change.
  const std::string host = FormatAddress(address).substr(0, FormatAddress(address).find(':'));
  if (errno == EADDRINUSE) {
    return Fail(ErrorCode::kAlreadyExists, "port {} on {} is in use", PortOf(address), host);
  }
  if (errno == EADDRNOTAVAIL) {
    return Fail(ErrorCode::kInvalidArgument, "{} is no address of this machine", host);
  }
  return Fail(ErrorCode::kInternal, "cannot listen at tcp://{}: {}", FormatAddress(address),
              SystemText(errno));
}

Result<ListeningSocket> Listen(std::string_view endpoint) {
  auto address = Resolve(endpoint);
  if (!address) return Fail(std::move(address.error()));
  auto socket = OpenListening(*address);
  if (!socket) return Fail(std::move(socket.error()));
  // Port 0 asks for any free port, so the name that others are told has the one we were given.
  std::string name = fmt::format("tcp://{}:{}", ParseEndpoint(endpoint)->host,
                                 PortOf(LocalAddress(socket->get())));
  return ListeningSocket{std::move(*socket), std::move(name)};
}

}  // namespace

std::unique_ptr<Transport> MakeTcpTransport(RealEventLoop& loop) {
  return MakeStreamTransport(loop, {.scheme = "tcp",
                                    .abilities = {TransportAbilities::Reach::kOtherHosts, false},
                                    .resolve = Resolve,
                                    .listen = Listen,
                                    .prepare = Prepare});
}

}  // namespace mobula::transport
