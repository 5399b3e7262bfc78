#include "components/transport/unix/unix_transport.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "components/base/lifetime.h"
#include "components/base/real/event_loop.h"
#include "components/transport/stream/stream_transport.h"

namespace mobula {
namespace {

constexpr int kBacklog = 4096;
constexpr int kSocketBytes = 1 << 20;  // bulk transfers need fewer turns

Result<SocketAddress> AddressOf(std::string_view text) {
  auto endpoint = ParseEndpoint(text);
  if (!endpoint) return Fail(std::move(endpoint.error()));
  if (endpoint->scheme != "unix") {
    return Fail(ErrorCode::kInvalidArgument,
                "'{}' is no unix endpoint; write one such as unix:///run/mobula.sock", text);
  }
  SocketAddress address;
  auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (endpoint->path.size() >= sizeof un->sun_path) {
    return Fail(ErrorCode::kInvalidArgument, "the socket path in '{}' has {} bytes, at most {} fit",
                text, endpoint->path.size(), sizeof un->sun_path - 1);
  }
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, endpoint->path.c_str(), endpoint->path.size() + 1);
  address.size = sizeof *un;
  return address;
}

std::string PathOf(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path;
}

/// \return true if the file at `address` is a socket that nobody listens to any more.
bool IsStale(const SocketAddress& address) {
  struct stat status{};
  if (::lstat(PathOf(address).c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  auto socket = OpenSocket(AF_UNIX);
  return socket && ::connect(socket->get(), address.get(), address.size) != 0 &&
         errno == ECONNREFUSED;
}

Result<Descriptor> OpenListening(const SocketAddress& address) {
  auto socket = OpenSocket(AF_UNIX);
  if (!socket) return socket;
  (void)::fchmod(socket->get(), 0600);  // before the name exists: nobody else ever gets in
  int bound = ::bind(socket->get(), address.get(), address.size);
  if (bound != 0 && errno == EADDRINUSE) {
    if (!IsStale(address)) {
      return Fail(ErrorCode::kAlreadyExists, "unix://{} is in use", PathOf(address));
    }
    ::unlink(PathOf(address).c_str());
    bound = ::bind(socket->get(), address.get(), address.size);
  }
  if (bound == 0 && ::listen(socket->get(), kBacklog) == 0) return socket;
  return Fail(ErrorCode::kInternal, "cannot listen at unix://{}: {}", PathOf(address),
              SystemText(errno));
}

class UnixListener final : public Listener {
 public:
  UnixListener(RealEventLoop& loop, Descriptor socket, std::string path,
               StreamAcceptor::OnSocket on_socket)
      : path_(std::move(path)), acceptor_(loop, std::move(socket), std::move(on_socket)) {
    if (::lstat(path_.c_str(), &made_) != 0) made_ = {};
  }
  ~UnixListener() override {
    struct stat now{};  // somebody may have replaced the file
    if (::lstat(path_.c_str(), &now) == 0 && now.st_ino == made_.st_ino &&
        now.st_dev == made_.st_dev) {
      ::unlink(path_.c_str());
    }
  }
  std::string Endpoint() const override { return "unix://" + path_; }

 private:
  std::string path_;
  struct stat made_{};
  StreamAcceptor acceptor_;
};

class UnixTransport final : public Transport {
 public:
  explicit UnixTransport(RealEventLoop& loop)
      : loop_(loop), context_(std::make_shared<StreamContext>(loop)) {}

  Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint, OnAccept on_accept) override {
    auto address = AddressOf(endpoint);
    if (!address) return Fail(std::move(address.error()));
    auto socket = OpenListening(*address);
    if (!socket) return Fail(std::move(socket.error()));
    auto shared = std::make_shared<OnAccept>(std::move(on_accept));  // owner: the acceptor
    return std::make_unique<UnixListener>(
        loop_, std::move(*socket), PathOf(*address),
        [context = context_, shared, path = PathOf(*address)](Descriptor accepted) {
          ucred peer{};
          socklen_t size = sizeof peer;
          (void)::getsockopt(accepted.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
          (*shared)(MakeConnection(context, std::move(accepted),
                                   fmt::format("unix://{} from process {}", path, peer.pid)));
        });
  }

  void Connect(std::string_view endpoint, Duration timeout, OnConnect done) override {
    auto address = AddressOf(endpoint);
    if (!address) {
      loop_.Post([done = std::move(done), error = std::move(address.error())]() mutable {
        done(Fail(std::move(error)));
      });
      return;
    }
    ConnectStream(loop_, *address, std::string(endpoint), timeout,
                  alive_.Bind([context = context_, name = std::string(endpoint),
                               done = std::move(done)](Result<Descriptor> socket) mutable {
                    if (!socket) {
                      done(Fail(std::move(socket.error())));
                    } else {
                      done(MakeConnection(context, std::move(*socket), std::move(name)));
                    }
                  }));
  }
  std::string_view Name() const override { return "unix"; }

 private:
  static std::unique_ptr<Connection> MakeConnection(std::shared_ptr<StreamContext> context,
                                                    Descriptor socket, std::string describe) {
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &kSocketBytes, sizeof kSocketBytes);
    return MakeStreamConnection(std::move(context), std::move(socket), std::move(describe), true);
  }

  RealEventLoop& loop_;
  std::shared_ptr<StreamContext> context_;  // owners: this and its connections
  Lifetime alive_;
};

}  // namespace

std::unique_ptr<Transport> MakeUnixTransport(RealEventLoop& loop) {
  return std::make_unique<UnixTransport>(loop);
}

}  // namespace mobula
