// \edge: a helper whose header says all that a caller needs
#include "components/object_store/mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mobula::object_store {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
/// Small requests populate their whole neighbourhood, so that many small objects share the cost.
constexpr std::uint64_t kBatchPages = 16;

}  // namespace

Result<std::shared_ptr<Mapping>> Mapping::Make(int fd, std::uint64_t size_bytes, MapAccess access) {
  const int protection = access == MapAccess::kRead ? PROT_READ : PROT_READ | PROT_WRITE;
  void* const memory = ::mmap(nullptr, size_bytes, protection, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    return Fail(ErrorCode::kInternal, "cannot map {} bytes of shared memory: {}", size_bytes,
                std::strerror(errno));
  }
  // A core dump of a worker is about the worker, not about the node's objects.
  (void)::madvise(memory, size_bytes, MADV_DONTDUMP);
  return std::shared_ptr<Mapping>(
      new Mapping({static_cast<std::byte*>(memory), size_bytes}, access));
}

Mapping::Mapping(std::span<std::byte> bytes, MapAccess access)
    : bytes_(bytes), access_(access), ready_((bytes.size() + kPageBytes - 1) / kPageBytes) {}

Mapping::~Mapping() { ::munmap(bytes_.data(), bytes_.size()); }

std::uint64_t Mapping::Populate(std::uint64_t begin, std::uint64_t end, std::uint64_t bytes_max) {
  const std::uint64_t pages = ready_.size();
  const std::uint64_t stop = std::min((end + kPageBytes - 1) / kPageBytes, pages);
  std::uint64_t page = begin / kPageBytes;
  std::uint64_t left = std::max(bytes_max / kPageBytes, kBatchPages);
  while (page < stop && left > 0) {
    if (ready_[page]) {
      ++page;
      continue;
    }
    // One system call for the run of untouched pages that begins here. It ends where the range or
    // the budget ends, but covers at least the batch of pages around its start.
    const std::uint64_t first = page;
    const std::uint64_t batch_end =
        std::min((first / kBatchPages + 1) * kBatchPages, pages);  // at least to here
    const std::uint64_t run_end = std::max(std::min(stop, first + left), batch_end);
    while (page < run_end && !ready_[page]) ready_[page++] = true;
    (void)::madvise(bytes_.data() + first * kPageBytes, (page - first) * kPageBytes,
                    access_ == MapAccess::kRead ? MADV_POPULATE_READ : MADV_POPULATE_WRITE);
    left -= std::min(left, page - first);
  }
  return page < stop ? page * kPageBytes : end;
}

}  // namespace mobula::object_store
