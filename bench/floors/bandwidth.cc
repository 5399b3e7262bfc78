// How fast bytes move: memory to memory, and over one TCP stream.

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "bench/floors/probes.h"
#include "bench/report.h"

namespace bench {
namespace {

constexpr std::size_t kPart = 1 << 20;

/// Calls `move(offset, size)`, which moves some bytes or fails with <= 0, until all are moved.
template <typename Move>
bool MoveAll(std::size_t bytes, Move&& move) {
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t part = move(done, std::min(bytes - done, kPart));
    if (part <= 0) return false;
    done += static_cast<std::size_t>(part);
  }
  return true;
}

void SendTo(const sockaddr* address, socklen_t size, const std::vector<char>& from, int rounds) {
  const int out = ::socket(AF_INET, SOCK_STREAM, 0);
  if (out < 0 || ::connect(out, address, size) != 0) return;
  for (int i = 0; i < rounds; ++i) {
    const bool is_sent = MoveAll(from.size(), [&](std::size_t offset, std::size_t part) {
      return ::write(out, from.data() + offset, part);
    });
    if (!is_sent) break;
  }
  ::close(out);
}

}  // namespace

double Memcpy(std::size_t bytes, int rounds) {
  std::vector<char> from(bytes, 'x');
  std::vector<char> to(bytes, 'y');
  std::vector<double> rates;
  for (int i = 0; i < rounds; ++i) {
    const double seconds = Timed([&] { std::memcpy(to.data(), from.data(), bytes); });
    rates.push_back(static_cast<double>(bytes) / seconds / 1e9);
    from[static_cast<std::size_t>(i)] = to[bytes - 1];
  }
  return Median(rates);
}

double RawTcp(std::size_t bytes, int rounds) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0) return 0;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener, generic, size) != 0 || ::listen(listener, 1) != 0) return 0;
  ::getsockname(listener, generic, &size);
  const std::vector<char> from(bytes, 'x');
  std::vector<char> to(bytes, 'y');
  std::thread sender([&] { SendTo(generic, size, from, rounds); });
  const int in = ::accept(listener, nullptr, nullptr);
  std::vector<double> rates;
  for (int i = 0; i < rounds; ++i) {
    const double begin = Now();
    const bool is_here = MoveAll(bytes, [&](std::size_t offset, std::size_t part) {
      return ::read(in, to.data() + offset, part);
    });
    if (!is_here) break;
    rates.push_back(static_cast<double>(bytes) / (Now() - begin) / 1e9);
  }
  sender.join();
  ::close(in);
  ::close(listener);
  return Median(rates);
}

}  // namespace bench
