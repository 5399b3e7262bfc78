/// \file
/// \brief The probes: each does one bare thing with system calls only, and says how fast that was.
#pragma once

#include <cstddef>
#include <functional>

namespace bench {

// ---- two processes (round_trips.cc); medians ----
/// A word in shared memory there and back, nobody sleeping. Microseconds.
[[nodiscard]] double SpinRoundTrip(int rounds);
/// Where two processes run: where the kernel puts them, both on the first core, or one on each.
enum class Cores { kAny, kOne, kTwo };
/// The same where each side sleeps in a futex, called once a millisecond. Microseconds.
[[nodiscard]] double ParkedRoundTrip(int rounds, Cores cores);
/// A byte over a unix socket, both asleep between. Microseconds.
[[nodiscard]] double SocketRoundTrip(int rounds);
/// Descriptors through two rings, there and back, in batches of 1000. Descriptors a second.
[[nodiscard]] double RingTasks(int batches, int rounds);

// ---- bytes (bandwidth.cc); medians, GB/s ----
/// Copying between two warm buffers far larger than the caches, one thread.
[[nodiscard]] double Memcpy(std::size_t bytes, int rounds);
/// One stream over loopback from one warm large buffer to another, as between two stores.
[[nodiscard]] double RawTcp(std::size_t bytes, int rounds);

// ---- the kernel and the heap (calls.cc) ----
/// Fork, exec of a trivial program, its end. Milliseconds, median.
[[nodiscard]] double Spawn(int rounds);
/// Fork of this process, the child's end. Milliseconds, median.
[[nodiscard]] double Fork(int rounds);
/// A cheap system call. Microseconds.
[[nodiscard]] double SystemCall();
/// One allocation of a small object and its end. Microseconds.
[[nodiscard]] double Allocation();
/// Reading 32 records of 64 bytes at random among 10 000: the facts of one decision. Microseconds.
[[nodiscard]] double Scan32();

/// Forks a child that runs `work` and ends. \return its process id.
int RunInChild(const std::function<void()>& work);
/// Waits for the end of a child.
void WaitFor(int child);
/// \return zeroed memory that children share; never given back, for probes are few.
[[nodiscard]] void* SharedMemory(std::size_t bytes);

}  // namespace bench
