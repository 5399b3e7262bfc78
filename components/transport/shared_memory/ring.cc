#include "components/transport/shared_memory/ring.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace mobula::transport {
namespace {

constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kRelease = std::memory_order_release;

//! [dekker]
/// Called after our index was published: takes down the flag of a peer that waits for it. With
/// `Set` it makes sure that one of the two sees the other: either we see the flag here, or the
/// peer, which looks at the index after setting the flag, sees the index.
bool Take(std::atomic<std::uint32_t>& flag) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return flag.load(kRelaxed) != 0 && flag.exchange(0, kRelaxed) != 0;
}

/// Called before the last look at the peer's index: says that from now on we must be rung for.
void Set(std::atomic<std::uint32_t>& flag) {
  flag.store(1, kRelaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
//! [dekker]

}  // namespace

ssize_t RingWriter::Write(std::span<const iovec> parts) {
  // The reader's index is in a cache line of another core. The copy of it is good enough as long as
  // it leaves room for everything.
  std::size_t wanted = 0;
  for (const iovec& part : parts) wanted += part.iov_len;
  if (bytes_.size() - (tail_ - head_) < wanted) head_ = state_->head.load(kAcquire);
  // The peer may write anything into shared memory; an index that cannot be right ends the
  // connection before it leads us outside of the ring.
  if (tail_ - head_ > bytes_.size()) return -EBADMSG;
  std::size_t room = bytes_.size() - (tail_ - head_);
  const std::uint64_t before = tail_;
  for (const iovec& part : parts) {
    const auto* from = static_cast<const std::byte*>(part.iov_base);
    const std::size_t size = std::min(part.iov_len, room);
    const std::size_t at = tail_ & (bytes_.size() - 1);
    const std::size_t until_end = std::min(size, bytes_.size() - at);
    std::memcpy(bytes_.data() + at, from, until_end);
    std::memcpy(bytes_.data(), from + until_end, size - until_end);
    tail_ += size;
    room -= size;
    if (size < part.iov_len) break;
  }
  // All bytes are in place before the reader can see that they are there.
  state_->tail.store(tail_, kRelease);
  return static_cast<ssize_t>(tail_ - before);
}

bool RingWriter::TakeParked(int here) {
  if (!Take(state_->parked)) return false;
  state_->writer_core.store(here, kRelaxed);
  return true;
}

bool RingWriter::HasRoom() const { return state_->head.load(kAcquire) + bytes_.size() != tail_; }

bool RingWriter::WaitForRoom() {
  Set(state_->waits);
  return !HasRoom();
}

std::size_t RingReader::Copy(std::span<std::byte> to) {
  const std::size_t at = head_ & (bytes_.size() - 1);
  const std::size_t until_end = std::min(to.size(), bytes_.size() - at);
  std::memcpy(to.data(), bytes_.data() + at, until_end);
  std::memcpy(to.data() + until_end, bytes_.data(), to.size() - until_end);
  head_ += to.size();
  return to.size();
}

ssize_t RingReader::Read(std::span<std::byte> first, std::span<std::byte> then) {
  const std::uint64_t there = state_->tail.load(kAcquire) - head_;
  if (there > bytes_.size()) return -EBADMSG;
  std::size_t got = 0;
  if (!first.empty() && there > 0) got = Copy(first.first(std::min(first.size(), there)));
  if (there > got) got += Copy(then.first(std::min(then.size(), there - got)));
  // The bytes are copied out before the writer may use their place again.
  if (got > 0) state_->head.store(head_, kRelease);
  return static_cast<ssize_t>(got);
}

bool RingReader::TakeWaiting() { return Take(state_->waits); }

bool RingReader::HasBytes() const { return state_->tail.load(kAcquire) != head_; }

bool RingReader::Park(int here) {
  is_parked_ = true;
  state_->reader_core.store(here, kRelaxed);
  Set(state_->parked);
  return !HasBytes();
}

bool RingReader::Unpark() {
  // If the flag is down although we had set it, the writer has taken it to ring for us.
  const bool is_rung = std::exchange(is_parked_, false) && state_->parked.load(kRelaxed) == 0;
  state_->parked.store(0, kRelaxed);
  return is_rung;
}

}  // namespace mobula::transport
