// \edge: another transport behind the same interface
#include "components/transport/shared_memory/ring_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "components/transport/shared_memory/shared_memory_transport.h"

namespace mobula::transport {

struct RingMemory::Layout {
  std::array<RingState, 2> states;
  alignas(4096) std::array<std::array<std::byte, kRingBytes>, 2> bytes;
};

namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

void* MapShared(int memory, std::size_t size) {
  // Both sides write: each its own ring, and in the other's the place up to which it has read.
  void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (mapped == MAP_FAILED) return nullptr;
  // A child of a user's program must not keep the rings alive, or write into them.
  (void)::madvise(mapped, size, MADV_DONTFORK);
  return mapped;
}

}  // namespace

Result<std::pair<RingMemory, Descriptor>> RingMemory::Make() {
  // Sealed, so that neither side can shrink it later: reading beyond the end would kill the other.
  Descriptor memory(::memfd_create("mobula-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  void* mapped = nullptr;
  if (memory.IsOpen() && ::ftruncate(memory.get(), sizeof(Layout)) == 0 &&
      ::fcntl(memory.get(), F_ADD_SEALS, kSeals) == 0) {
    mapped = MapShared(memory.get(), sizeof(Layout));
  }
  if (mapped == nullptr) {
    return Fail(ErrorCode::kResourceExhausted, "no memory to share with a peer: {}",
                SystemText(errno));
  }
  return std::pair(RingMemory(static_cast<Layout*>(mapped)), std::move(memory));  // zero: empty
}

Result<RingMemory> RingMemory::Map(int memory) {
  // A peer is not believed: without the seals it could take the memory away while we read it.
  struct stat status{};
  const bool is_right = ::fstat(memory, &status) == 0 && status.st_size == sizeof(Layout) &&
                        (::fcntl(memory, F_GET_SEALS) & kSeals) == kSeals;
  if (!is_right) return Fail(ErrorCode::kCorrupt, "the memory of a peer is not what we share");
  void* mapped = MapShared(memory, sizeof(Layout));
  if (mapped == nullptr) {
    return Fail(ErrorCode::kResourceExhausted, "the memory of a peer cannot be mapped: {}",
                SystemText(errno));
  }
  return RingMemory(static_cast<Layout*>(mapped));
}

// The memory itself ends with the last of the two that map it.
RingMemory::~RingMemory() {
  if (layout_ != nullptr) ::munmap(layout_, sizeof(Layout));
}

RingWriter RingMemory::Writer(int end) const { return {layout_->states[end], layout_->bytes[end]}; }

RingReader RingMemory::Reader(int end) const { return {layout_->states[end], layout_->bytes[end]}; }

}  // namespace mobula::transport
