#include "components/transport/stream/unix_socket.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mobula::transport {
namespace {

constexpr int kSocketBytes = 1 << 20;  // bulk transfers need fewer turns

std::string PathOf(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path;
}

/// \return true if the file at `address` is a socket that nobody listens to any more.
bool IsStale(const SocketAddress& address) {
  struct stat status{};
  if (::lstat(PathOf(address).c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  auto socket = OpenSocket(AF_UNIX);
  // Only the kernel knows if a process still listens, and it answers a connect with the truth.
  return socket && ::connect(socket->get(), address.get(), address.size) != 0 &&
         errno == ECONNREFUSED;
}

Result<Descriptor> OpenListening(const SocketAddress& address) {
  auto socket = OpenSocket(AF_UNIX);
  if (!socket) return socket;
  (void)::fchmod(socket->get(), 0600);  // before the name exists: nobody else ever gets in
  int bound = ::bind(socket->get(), address.get(), address.size);
  if (bound != 0 && errno == EADDRINUSE) {
    // The file may be left by a process that was killed. It is in use only if somebody answers
    // there.
    if (!IsStale(address)) {
      return Fail(ErrorCode::kAlreadyExists, "unix://{} is in use", PathOf(address));
    }
    ::unlink(PathOf(address).c_str());
    bound = ::bind(socket->get(), address.get(), address.size);
  }
  if (bound == 0 && ::listen(socket->get(), kListenBacklog) == 0) return socket;
  return Fail(ErrorCode::kInternal, "cannot listen at unix://{}: {}", PathOf(address),
              SystemText(errno));
}

/// A socket file that goes with its listener, unless somebody has replaced it.
class SocketFile {
 public:
  explicit SocketFile(std::string path) : path_(std::move(path)) {
    if (::lstat(path_.c_str(), &made_) != 0) made_ = {};
  }
  SocketFile(const SocketFile&) = delete;
  ~SocketFile() {
    struct stat now{};
    // Another process may have removed our file and put its own in its place. That one is not ours
    // to remove.
    if (::lstat(path_.c_str(), &now) == 0 && now.st_ino == made_.st_ino &&
        now.st_dev == made_.st_dev) {
      ::unlink(path_.c_str());
    }
  }

 private:
  std::string path_;
  struct stat made_{};
};

}  // namespace

Result<SocketAddress> UnixAddress(std::string_view scheme, std::string_view text) {
  auto endpoint = ParseEndpoint(text);
  if (!endpoint) return Fail(std::move(endpoint.error()));
  if (endpoint->scheme != scheme) {
    return Fail(ErrorCode::kInvalidArgument,
                "'{}' is no {} endpoint; write one such as {}:///run/mobula.sock", text, scheme,
                scheme);
  }
  SocketAddress address;
  auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
  // The kernel's field is short, and a name that was shortened to fit would meet others.
  if (endpoint->path.size() >= sizeof un->sun_path) {
    return Fail(ErrorCode::kInvalidArgument, "the socket path in '{}' has {} bytes, at most {} fit",
                text, endpoint->path.size(), sizeof un->sun_path - 1);
  }
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, endpoint->path.c_str(), endpoint->path.size() + 1);
  address.size = sizeof *un;
  return address;
}

Result<ListeningSocket> ListenUnix(std::string_view scheme, std::string_view endpoint) {
  auto address = UnixAddress(scheme, endpoint);
  if (!address) return Fail(std::move(address.error()));
  auto socket = OpenListening(*address);
  if (!socket) return Fail(std::move(socket.error()));
  // The file marks this node's end as much as the socket does: it is removed with the listener.
  const std::string path = PathOf(*address);
  return ListeningSocket{std::move(*socket), fmt::format("{}://{}", scheme, path),
                         std::make_shared<SocketFile>(path)};
}

std::string PrepareUnix(int fd, SocketEnd end, std::string_view endpoint) {
  (void)::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSocketBytes, sizeof kSocketBytes);
  if (end == SocketEnd::kConnected) return std::string(endpoint);
  // The client has no name. For the log of the server, the kernel tells which process it is.
  ucred peer{};
  socklen_t size = sizeof peer;
  (void)::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
  return fmt::format("{} from process {}", endpoint, peer.pid);
}

}  // namespace mobula::transport
