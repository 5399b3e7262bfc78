// How fast two processes can answer each other: awake, asleep, and in batches.

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <new>
#include <thread>

#include "bench/floors/probes.h"
#include "bench/floors/ring.h"
#include "bench/report.h"

namespace bench {
namespace {

/// Two words, each written by one side, in lines of their own.
struct Words {
  alignas(64) std::atomic<std::uint32_t> there{0};
  alignas(64) std::atomic<std::uint32_t> back{0};
};
constexpr std::uint32_t kEnd = UINT_MAX;

void FutexWait(std::atomic<std::uint32_t>& word, std::uint32_t while_it_is) {
  while (word.load(std::memory_order_acquire) == while_it_is) {
    ::syscall(SYS_futex, &word, FUTEX_WAIT, while_it_is, nullptr, nullptr, 0);
  }
}

void FutexSet(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  word.store(value, std::memory_order_release);
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

/// Gives the other side the core now and then, should there be one core only.
void Pause(std::uint32_t& turns) {
  if (++turns % 100'000 == 0) std::this_thread::yield();
}

void EchoByFutex(Words& words) {
  for (std::uint32_t seen = 0; seen != kEnd;) {
    FutexWait(words.there, seen);
    seen = words.there.load(std::memory_order_acquire);
    FutexSet(words.back, seen);
  }
}

void EchoBySpinning(Words& words) {
  std::uint32_t turns = 0;
  for (std::uint32_t seen = 0; seen != kEnd;) {
    const std::uint32_t now = words.there.load(std::memory_order_acquire);
    if (now == seen) {
      Pause(turns);
      continue;
    }
    words.back.store(now, std::memory_order_release);
    seen = now;
  }
}

/// Keeps this thread on a core, or with `kAny` where it is; until the end of the scope.
class Pinned {
 public:
  Pinned(Cores cores, int side) {
    ::sched_getaffinity(0, sizeof before_, &before_);
    std::vector<int> allowed;
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &before_)) allowed.push_back(core);
    }
    if (cores == Cores::kAny || allowed.empty()) return;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(side == 0 || cores == Cores::kOne ? allowed.front() : allowed.back(), &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
  ~Pinned() { ::sched_setaffinity(0, sizeof before_, &before_); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;

 private:
  cpu_set_t before_{};
};

struct Rings {
  Ring there;
  Ring back;
};
constexpr std::uint64_t kBatch = 1000;

/// The worker: takes what is there, "runs" it, gives it back in one batch; until a zero arrives.
void Work(Rings& rings) {
  Descriptor batch[kBatch];
  for (std::uint32_t turns = 0;;) {
    const std::uint64_t count = rings.there.Pop(batch, kBatch);
    if (count == 0) Pause(turns);
    for (std::uint64_t done = 0; done < count;) done += rings.back.Push(batch + done, count - done);
    if (count > 0 && batch[count - 1].words[0] == 0) return;
  }
}

/// The driver: sends one batch and takes it back.
void SendBatch(Rings& rings, Descriptor* batch, std::uint64_t size) {
  std::uint32_t turns = 0;
  for (std::uint64_t sent = 0; sent < size;) sent += rings.there.Push(batch + sent, size - sent);
  for (std::uint64_t got = 0; got < size;) {
    const std::uint64_t count = rings.back.Pop(batch + got, size - got);
    if (count == 0) Pause(turns);
    got += count;
  }
}

}  // namespace

int RunInChild(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  work();
  ::_exit(0);
}

void WaitFor(int child) { ::waitpid(child, nullptr, 0); }

void* SharedMemory(std::size_t bytes) {
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return memory;
}

double SpinRoundTrip(int rounds) {
  auto& words = *new (SharedMemory(sizeof(Words))) Words;
  const int child = RunInChild([&] { EchoBySpinning(words); });
  constexpr std::uint32_t kTrips = 100;  // in one reading of the clock, which costs as much
  std::vector<double> times;
  std::uint32_t turns = 0;
  const auto trip = [&](std::uint32_t value) {
    words.there.store(value, std::memory_order_release);
    while (words.back.load(std::memory_order_acquire) != value) Pause(turns);
  };
  std::uint32_t value = 0;
  for (int i = 0; i < rounds; ++i) {
    const double seconds = Timed([&] {
      for (std::uint32_t t = 0; t < kTrips; ++t) trip(++value);
    });
    times.push_back(seconds * 1e6 / kTrips);
  }
  trip(kEnd);
  WaitFor(child);
  return Median(times);
}

//! [parked-round-trip]
double ParkedRoundTrip(int rounds, Cores cores) {
  auto& words = *new (SharedMemory(sizeof(Words))) Words;
  const int child = RunInChild([&] {
    const Pinned there(cores, 1);
    EchoByFutex(words);
  });
  const Pinned here(cores, 0);
  std::vector<double> times;
  const auto trip = [&](std::uint32_t value) {
    const std::uint32_t before = words.back.load();
    FutexSet(words.there, value);
    FutexWait(words.back, before);
  };
  for (int i = 1; i <= rounds; ++i) {
    Gap();
    times.push_back(Timed([&] { trip(static_cast<std::uint32_t>(i)); }) * 1e6);
  }
  trip(kEnd);
  WaitFor(child);
  return Median(times);
}
//! [parked-round-trip]

double SocketRoundTrip(int rounds) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 0;
  const int child = RunInChild([&] {
    ::close(ends[0]);
    char byte = 0;
    while (::read(ends[1], &byte, 1) == 1 && ::write(ends[1], &byte, 1) == 1) continue;
  });
  ::close(ends[1]);
  std::vector<double> times;
  char byte = 0;
  for (int i = 0; i < rounds; ++i) {
    const double begin = Now();
    if (::write(ends[0], &byte, 1) != 1 || ::read(ends[0], &byte, 1) != 1) break;
    times.push_back((Now() - begin) * 1e6);
  }
  ::close(ends[0]);
  WaitFor(child);
  return Median(times);
}

double RingTasks(int batches, int rounds) {
  auto& rings = *static_cast<Rings*>(SharedMemory(sizeof(Rings)));
  const int child = RunInChild([&] { Work(rings); });
  Descriptor batch[kBatch];
  for (Descriptor& one : batch) one = {{1, 2, 3, 4, 5, 6, 7, 8}};
  std::vector<double> rates;
  for (int r = 0; r < rounds; ++r) {
    const double seconds = Timed([&] {
      for (int b = 0; b < batches; ++b) SendBatch(rings, batch, kBatch);
    });
    rates.push_back(static_cast<double>(kBatch) * batches / seconds);
  }
  batch[0].words[0] = 0;
  SendBatch(rings, batch, 1);
  WaitFor(child);
  return Median(rates);
}

}  // namespace bench
