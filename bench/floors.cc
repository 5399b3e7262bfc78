// The physical floors: what this machine does without Mobula, in the same minute.

#include <arpa/inet.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "bench/report.h"

namespace bench {
namespace {

/// Round trip of one byte between two processes over a unix socket, both asleep between: what a
/// call costs that goes through the kernel. Median, in microseconds.
double SocketRoundTrip(int rounds) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 0;
  const pid_t child = ::fork();
  char byte = 0;
  if (child == 0) {
    ::close(ends[0]);
    while (::read(ends[1], &byte, 1) == 1 && ::write(ends[1], &byte, 1) == 1) continue;
    ::_exit(0);
  }
  ::close(ends[1]);
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const double begin = Now();
    if (::write(ends[0], &byte, 1) != 1 || ::read(ends[0], &byte, 1) != 1) break;
    times.push_back((Now() - begin) * 1e6);
  }
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  return Quantile(times, 0.5);
}

/// Copying between two warm buffers far larger than the caches, one thread. GB/s.
double Memcpy(std::size_t bytes, int rounds) {
  std::vector<char> from(bytes, 'x');
  std::vector<char> to(bytes, 'y');
  std::vector<double> rates;
  for (int i = 0; i < rounds; ++i) {
    const double begin = Now();
    std::memcpy(to.data(), from.data(), bytes);
    rates.push_back(static_cast<double>(bytes) / (Now() - begin) / 1e9);
    from[static_cast<std::size_t>(i)] = to[bytes - 1];
  }
  return Quantile(rates, 0.5);
}

/// One TCP stream over loopback from one warm large buffer to another: the pattern of a transfer
/// between two stores. GB/s.
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
  std::vector<char> from(bytes, 'x');
  std::vector<char> to(bytes, 'y');
  std::thread sender([&] {
    const int out = ::socket(AF_INET, SOCK_STREAM, 0);
    if (out < 0 || ::connect(out, generic, size) != 0) return;
    for (int i = 0; i < rounds; ++i) {
      for (std::size_t sent = 0; sent < bytes;) {
        const ssize_t part =
            ::write(out, from.data() + sent, std::min<std::size_t>(bytes - sent, 1 << 20));
        if (part <= 0) break;
        sent += static_cast<std::size_t>(part);
      }
    }
    ::close(out);
  });
  const int in = ::accept(listener, nullptr, nullptr);
  std::vector<double> rates;
  for (int i = 0; i < rounds; ++i) {
    const double begin = Now();
    for (std::size_t got = 0; got < bytes;) {
      const ssize_t part = ::read(in, to.data() + got, std::min<std::size_t>(bytes - got, 1 << 20));
      if (part <= 0) break;
      got += static_cast<std::size_t>(part);
    }
    rates.push_back(static_cast<double>(bytes) / (Now() - begin) / 1e9);
  }
  sender.join();
  ::close(in);
  ::close(listener);
  return Quantile(rates, 0.5);
}

/// Fork, exec of a trivial program, its end. Median, in milliseconds.
double Spawn(int rounds) {
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) {
    const double begin = Now();
    const pid_t child = ::fork();
    if (child == 0) {
      ::execl("/bin/true", "true", nullptr);
      ::_exit(127);
    }
    ::waitpid(child, nullptr, 0);
    times.push_back((Now() - begin) * 1e3);
  }
  return Quantile(times, 0.5);
}

/// A cheap system call. Microseconds.
double SystemCall() {
  constexpr int kRounds = 100'000;
  const double begin = Now();
  for (int i = 0; i < kRounds; ++i) (void)::getppid();
  return (Now() - begin) * 1e6 / kRounds;
}

/// One memory allocation of a small object and its end: what storing a small value costs at least.
double Allocation() {
  constexpr int kRounds = 100'000;
  std::vector<std::unique_ptr<std::string>> kept(kRounds);
  const double begin = Now();
  for (auto& one : kept) one = std::make_unique<std::string>(32, 'x');
  kept.clear();
  return (Now() - begin) * 1e6 / kRounds;
}

}  // namespace

Floors MeasureFloors(bool quick) {
  const std::size_t large = (quick ? 32U : 100U) << 20;
  return {{"socket_round_trip_us", SocketRoundTrip(quick ? 2'000 : 10'000)},
          {"memcpy_gb_s", Memcpy(large, quick ? 3 : 7)},
          {"raw_tcp_gb_s", RawTcp(large, quick ? 3 : 7)},
          {"spawn_ms", Spawn(quick ? 10 : 50)},
          {"system_call_us", SystemCall()},
          {"allocation_us", Allocation()}};
}

}  // namespace bench
