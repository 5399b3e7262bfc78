/// \file
/// \brief The bare floor of every task: two rings of 64-byte descriptors in shared memory.
///
/// No protocol, no values, no error can happen: whatever a runtime adds to a task comes on top of
/// this. One process writes a ring, one reads it; the writer publishes a batch with one store.
#pragma once

#include <atomic>
#include <cstdint>

namespace bench {

/// As large as a cache line; the content is nobody's business here.
struct Descriptor {
  std::uint64_t words[8];
};

/// Single producer, single consumer. Lives in memory that both processes map, all zero at first.
class Ring {
 public:
  static constexpr std::uint64_t kSlots = 4096;

  //! [ring-push]
  /// Writes as many of `count` as there is room for, and publishes them. \return how many.
  std::uint64_t Push(const Descriptor* from, std::uint64_t count) {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    const std::uint64_t room = kSlots - (tail - head_.load(std::memory_order_acquire));
    if (count > room) count = room;
    for (std::uint64_t i = 0; i < count; ++i) slots_[(tail + i) % kSlots] = from[i];
    if (count > 0) tail_.store(tail + count, std::memory_order_release);
    return count;
  }
  //! [ring-push]

  /// Takes at most `count`. \return how many.
  std::uint64_t Pop(Descriptor* to, std::uint64_t count) {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    const std::uint64_t there = tail_.load(std::memory_order_acquire) - head;
    if (count > there) count = there;
    for (std::uint64_t i = 0; i < count; ++i) to[i] = slots_[(head + i) % kSlots];
    if (count > 0) head_.store(head + count, std::memory_order_release);
    return count;
  }

 private:
  alignas(64) std::atomic<std::uint64_t> head_;  // written by the consumer
  alignas(64) std::atomic<std::uint64_t> tail_;  // written by the producer
  alignas(64) Descriptor slots_[kSlots];
};

}  // namespace bench
