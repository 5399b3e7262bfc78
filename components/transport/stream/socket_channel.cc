// \edge: another transport behind the same interface
#include <sys/socket.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>

#include "components/base/real/event_loop.h"
#include "components/transport/stream/byte_channel.h"

namespace mobula::transport {
namespace {

constexpr int kDrainsMax = 64;  // reads of what is thrown away at the end

using Wait = boost::asio::posix::stream_descriptor::wait_type;

class SocketChannel final : public ByteChannel {
 public:
  SocketChannel(RealEventLoop& loop, Descriptor socket, bool passes_descriptors)
      : loop_(loop), socket_(loop.context()), passes_descriptors_(passes_descriptors) {
    boost::system::error_code error;
    socket_.assign(socket.get(), error);
    if (!error) (void)socket.Release();  // else every call says EBADF
  }
  ~SocketChannel() override { Shut(); }

  /// A descriptor travels with the first byte of `parts`, which begins the frame that announces it.
  ssize_t Write(std::span<const iovec> parts, int descriptor) override {
    return SendWithDescriptors(socket_.native_handle(), parts,
                               std::span(&descriptor, descriptor < 0 ? 0 : 1));
  }

  ssize_t Read(std::span<std::byte> direct, std::span<std::byte> scratch,
               std::deque<Descriptor>& descriptors) override {
    // One system call fills the rest of an attachment in place, and then takes what follows it.
    std::array<iovec, 2> parts;
    std::size_t used = 0;
    if (!direct.empty()) parts[used++] = {direct.data(), direct.size()};
    parts[used++] = {scratch.data(), scratch.size()};
    const std::span<iovec> wanted = std::span(parts).first(used);
    // A plain read would drop the descriptors that come with the bytes.
    if (passes_descriptors_) {
      return ReceiveWithDescriptors(socket_.native_handle(), wanted, descriptors);
    }
    const ssize_t got = ::readv(socket_.native_handle(), wanted.data(), static_cast<int>(used));
    return got < 0 ? -errno : got;
  }

  void AwaitReadable(Callback callback) override { Await(Wait::wait_read, std::move(callback)); }
  void AwaitWritable(Callback callback) override { Await(Wait::wait_write, std::move(callback)); }

  void Shut() override {
    if (!socket_.is_open()) return;
    // Closing a socket with unread bytes resets it, and the peer would lose our last words.
    ::shutdown(socket_.native_handle(), SHUT_WR);
    std::array<std::byte, std::size_t{16} << 10> waste;
    for (int i = 0; i < kDrainsMax; ++i) {
      if (::recv(socket_.native_handle(), waste.data(), waste.size(), MSG_DONTWAIT) <= 0) break;
    }
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  void Await(Wait what, Callback callback) {
    // An error here is found by the next read or write, which can say more of it.
    socket_.async_wait(what,
                       loop_.Locked([callback = std::move(callback)](
                                        const boost::system::error_code&) mutable { callback(); }));
  }

  RealEventLoop& loop_;
  boost::asio::posix::stream_descriptor socket_;
  const bool passes_descriptors_;
};

}  // namespace

ssize_t SendWithDescriptors(int socket, std::span<const iovec> parts,
                            std::span<const int> descriptors) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());  // sendmsg only reads them
  message.msg_iovlen = parts.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(ByteChannel::kDescriptorsMax * sizeof(int))>
      control{};
  // The kernel makes the receiver's descriptors when the message arrives; ours may be closed then.
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  // A peer that has closed makes this an error for us, and not a signal that ends the process.
  const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  return sent < 0 ? -errno : sent;
}

ssize_t ReceiveWithDescriptors(int socket, std::span<iovec> parts,
                               std::deque<Descriptor>& descriptors) {
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  alignas(cmsghdr) std::array<char, CMSG_SPACE(ByteChannel::kDescriptorsMax * sizeof(int))> control;
  // Without room for them, the kernel would close descriptors that come, in silence.
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  // The end, or nothing to read: no descriptor came with it.
  if (got <= 0) return got < 0 ? -errno : got;
  // Whatever came is ours to close now, also what the caller did not expect.
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    for (std::size_t at = 0; at + CMSG_LEN(sizeof(int)) <= header->cmsg_len; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
  return got;
}

std::unique_ptr<ByteChannel> MakeSocketChannel(RealEventLoop& loop, Descriptor socket,
                                               bool passes_descriptors) {
  return std::make_unique<SocketChannel>(loop, std::move(socket), passes_descriptors);
}

}  // namespace mobula::transport
