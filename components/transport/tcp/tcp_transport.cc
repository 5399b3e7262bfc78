#include "components/transport/tcp/tcp_transport.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>

#include "components/base/lifetime.h"
#include "components/base/real/event_loop.h"
#include "components/transport/stream/stream_transport.h"

namespace mobula {
namespace {

constexpr int kBacklog = 4096;

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
  if (endpoint->host == "localhost") {
    host.s_addr = htonl(INADDR_LOOPBACK);
    return Address(host, endpoint->port);
  }
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
  host = reinterpret_cast<const sockaddr_in*>(found->ai_addr)->sin_addr;
  ::freeaddrinfo(found);
  return Address(host, endpoint->port);
}

/// Small frames leave at once; a peer whose machine vanished is noticed within half a minute.
void Tune(int fd) {
  const auto set = [fd](int level, int option, int value) {
    (void)::setsockopt(fd, level, option, &value, sizeof value);
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
  // Keepalives are not sent while data waits for its acknowledgement; this bounds that wait (ms).
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, 30'000);
}

Result<Descriptor> OpenListening(const SocketAddress& address) {
  auto socket = OpenSocket(AF_INET);
  if (!socket) return socket;
  const int one = 1;
  (void)::setsockopt(socket->get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (::bind(socket->get(), address.get(), address.size) == 0 &&
      ::listen(socket->get(), kBacklog) == 0) {
    return socket;
  }
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

class TcpListener final : public Listener {
 public:
  TcpListener(RealEventLoop& loop, Descriptor socket, std::string endpoint,
              StreamAcceptor::OnSocket on_socket)
      : endpoint_(std::move(endpoint)), acceptor_(loop, std::move(socket), std::move(on_socket)) {}
  std::string Endpoint() const override { return endpoint_; }

 private:
  std::string endpoint_;
  StreamAcceptor acceptor_;
};

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(RealEventLoop& loop)
      : loop_(loop), context_(std::make_shared<StreamContext>(loop)) {}

  Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint, OnAccept on_accept) override {
    auto address = Resolve(endpoint);
    if (!address) return Fail(std::move(address.error()));
    auto socket = OpenListening(*address);
    if (!socket) return Fail(std::move(socket.error()));
    auto parsed = ParseEndpoint(endpoint);
    std::string name =
        fmt::format("tcp://{}:{}", parsed->host, PortOf(LocalAddress(socket->get())));
    auto shared = std::make_shared<OnAccept>(std::move(on_accept));  // owner: the acceptor
    return std::make_unique<TcpListener>(loop_, std::move(*socket), std::move(name),
                                         [context = context_, shared](Descriptor accepted) {
                                           (*shared)(MakeConnection(context, std::move(accepted)));
                                         });
  }

  void Connect(std::string_view endpoint, Duration timeout, OnConnect done) override {
    auto address = Resolve(endpoint);
    if (!address) {
      loop_.Post([done = std::move(done), error = std::move(address.error())]() mutable {
        done(Fail(std::move(error)));
      });
      return;
    }
    ConnectStream(loop_, *address, std::string(endpoint), timeout,
                  alive_.Bind([context = context_,
                               done = std::move(done)](Result<Descriptor> socket) mutable {
                    if (!socket) {
                      done(Fail(std::move(socket.error())));
                    } else {
                      done(MakeConnection(context, std::move(*socket)));
                    }
                  }));
  }
  std::string_view Name() const override { return "tcp"; }

 private:
  static std::unique_ptr<Connection> MakeConnection(std::shared_ptr<StreamContext> context,
                                                    Descriptor socket) {
    Tune(socket.get());
    std::string describe = "tcp://" + FormatAddress(RemoteAddress(socket.get()));
    return MakeStreamConnection(std::move(context), std::move(socket), std::move(describe), false);
  }

  RealEventLoop& loop_;
  std::shared_ptr<StreamContext> context_;  // owners: this and its connections
  Lifetime alive_;
};

}  // namespace

std::unique_ptr<Transport> MakeTcpTransport(RealEventLoop& loop) {
  return std::make_unique<TcpTransport>(loop);
}

}  // namespace mobula
