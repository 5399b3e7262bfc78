/// \file
/// \edge
/// \brief File descriptors that close themselves, and socket calls that return `Result`.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <utility>

#include "components/base/result.h"

namespace mobula::transport {

/// Owns one file descriptor, or none (-1).
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor();

  /// \return a second descriptor of the same file. None if the process may open no more.
  [[nodiscard]] static Descriptor Duplicate(int fd);
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }
  [[nodiscard]] bool IsOpen() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// Any socket address. A value.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  [[nodiscard]] sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  [[nodiscard]] int family() const { return storage.ss_family; }
};

/// \return the system's text for `error`, an errno value.
[[nodiscard]] std::string SystemText(int error);

/// \return a stream socket of this family that never blocks. kResourceExhausted when the process
///         or system has no more descriptors, kInternal otherwise.
[[nodiscard]] Result<Descriptor> OpenSocket(int family);
/// \return the address at this end, after `bind` or `connect`.
[[nodiscard]] SocketAddress LocalAddress(int fd);
/// \return the address at the other end; size 0 if there is none.
[[nodiscard]] SocketAddress RemoteAddress(int fd);
/// \return "127.0.0.1:80" of an IPv4 address.
[[nodiscard]] std::string FormatAddress(const SocketAddress& address);
/// \return the port of an IPv4 address.
[[nodiscard]] std::uint16_t PortOf(const SocketAddress& address);

}  // namespace mobula::transport
