#include "components/transport/stream/descriptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace mobula::transport {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

Descriptor Descriptor::Duplicate(int fd) { return Descriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

std::string SystemText(int error) { return std::generic_category().message(error); }

Result<Descriptor> OpenSocket(int family) {
  Descriptor fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.IsOpen()) return fd;
  const int error = errno;
  const bool full = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
  return Fail(full ? ErrorCode::kResourceExhausted : ErrorCode::kInternal,
              "no socket could be opened: {}", SystemText(error));
}

SocketAddress LocalAddress(int fd) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getsockname(fd, address.get(), &address.size) != 0) address.size = 0;
  return address;
}

SocketAddress RemoteAddress(int fd) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getpeername(fd, address.get(), &address.size) != 0) address.size = 0;
  return address;
}

std::string FormatAddress(const SocketAddress& address) {
  char text[INET_ADDRSTRLEN] = "?";
  const auto* in = reinterpret_cast<const sockaddr_in*>(&address.storage);
  if (address.size > 0) ::inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
  return fmt::format("{}:{}", text, PortOf(address));
}

std::uint16_t PortOf(const SocketAddress& address) {
  if (address.size == 0) return 0;
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
}

}  // namespace mobula::transport
