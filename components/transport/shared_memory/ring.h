/// \file
/// \brief A ring of bytes with one writer and one reader, in memory that two processes share.
///
///     tail: bytes ever written      only the writer stores it, last of all, so what is not
///     head: bytes ever read         complete is not there: a writer may die at any instruction
///     parked: the reader sleeps     the writer who sees it clears it and rings
///     waits: the writer waits       the reader who makes room and sees it clears it and rings
///
/// Each side publishes its index before it looks at the other's flag, and sets its own flag before
/// it looks at the other's index; with a full fence between, one of the two always notices
/// (Dekker). Each counter has a cache line of its own. Nothing in the memory is trusted: indices
/// that make no sense are -EBADMSG. (Disruptor, rigtorp's queue; eRPC for the doorbells.)
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace mobula::transport {

/// What both sides share of one ring; its bytes lie elsewhere in the same memory.
struct RingState {
  alignas(64) std::atomic<std::uint64_t> tail;
  std::atomic<std::uint64_t> passed;  ///< Descriptors sent by another way before this tail.
  std::atomic<int> writer_core;       ///< Where it last rang from: a hint.
  alignas(64) std::atomic<std::uint64_t> head;
  alignas(64) std::atomic<std::uint32_t> parked;
  std::atomic<int> reader_core;  ///< Where it last went to sleep: a hint.
  alignas(64) std::atomic<std::uint32_t> waits;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// The writing end. Threads: one at a time. Cost: a copy, one fence a write; no system call.
class RingWriter {
 public:
  RingWriter() = default;
  /// \param bytes a power of two of them. Both live as long as this.
  RingWriter(RingState& state, std::span<std::byte> bytes) : state_(&state), bytes_(bytes) {}

  /// Copies as much as there is room for, then publishes it at once.
  /// \return how many bytes; 0 when full; -EBADMSG.
  ssize_t Write(std::span<const iovec> parts);
  /// Counts a descriptor that went before what is written next.
  void CountPassed() { state_->passed.store(++passed_, std::memory_order_relaxed); }
  /// \return whether the reader sleeps and must be rung for; then it counts as woken. \param here
  ///         the core it is rung from.
  [[nodiscard]] bool TakeParked(int here);
  [[nodiscard]] int reader_core() const {
    return state_->reader_core.load(std::memory_order_relaxed);
  }
  /// Asks to be rung for when there is room. \return false if there is some now.
  [[nodiscard]] bool WaitForRoom();
  [[nodiscard]] bool HasRoom() const;

 private:
  RingState* state_ = nullptr;
  std::span<std::byte> bytes_;
  std::uint64_t tail_ = 0;
  std::uint64_t head_ = 0;  // as last seen
  std::uint64_t passed_ = 0;
};

/// The reading end. Threads: one at a time.
class RingReader {
 public:
  RingReader() = default;
  RingReader(RingState& state, std::span<const std::byte> bytes) : state_(&state), bytes_(bytes) {}

  /// Moves bytes out. \return how many; 0 when empty; -EBADMSG.
  ssize_t Read(std::span<std::byte> first, std::span<std::byte> then);
  /// \return whether the writer waits for room and must be rung for.
  [[nodiscard]] bool TakeWaiting();
  /// Asks to be rung for. \param here the core it sleeps on. \return false if something is there
  ///        already.
  [[nodiscard]] bool Park(int here);
  /// \return whether it was rung for.
  bool Unpark();
  [[nodiscard]] int writer_core() const {
    return state_->writer_core.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool HasBytes() const;
  /// \return the writer's count of descriptors that go with what was read, or more.
  [[nodiscard]] std::uint64_t passed() const {
    return state_->passed.load(std::memory_order_relaxed);
  }

 private:
  std::size_t Copy(std::span<std::byte> to);

  RingState* state_ = nullptr;
  std::span<const std::byte> bytes_;
  std::uint64_t head_ = 0;
  bool is_parked_ = false;  // as far as we know
};

}  // namespace mobula::transport
