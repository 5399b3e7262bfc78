#include "components/object_store/shared_memory/shared_memory_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

#include "components/base/config_value.h"
#include "components/object_store/mapping.h"
#include "components/object_store/object_table.h"
#include "components/object_store/shared_memory/arena_allocator.h"
#include "components/object_store/shared_memory/populator.h"

namespace mobula::object_store {
namespace {

enum class Populate : std::uint8_t { kLazy, kAhead };

class ArenaMemory final : public ObjectMemory {
 public:
  ArenaMemory(int fd, std::shared_ptr<Mapping> mapping, std::uint64_t capacity, Populate populate)
      : fd_(fd), mapping_(std::move(mapping)), allocator_(capacity) {
    if (populate == Populate::kAhead) populator_ = std::make_unique<Populator>(mapping_);
  }
  // Clients that still map the arena keep its memory; the kernel frees it with the last of them.
  ~ArenaMemory() override { ::close(fd_); }

  std::optional<StoredObject> Allocate(std::uint64_t size_bytes) override {
    // No room is not an error here: the table evicts something and asks again.
    const auto offset = allocator_.Allocate(BlockBytes(size_bytes));
    if (!offset) return std::nullopt;
    // Where untouched memory begins decides what the thread fills next.
    if (populator_) populator_->FrontierAt(allocator_.frontier());
    return StoredObject{.bytes = mapping_->bytes().subspan(*offset, size_bytes),
                        .arena_offset = *offset};
  }
  void Free(const StoredObject& object) override {
    allocator_.Free(object.arena_offset, BlockBytes(object.bytes.size()));
  }
  [[nodiscard]] int SharedDescriptor() const override { return fd_; }
  [[nodiscard]] std::string_view Name() const override { return "shared_memory"; }

 private:
  const int fd_;
  std::shared_ptr<Mapping> mapping_;  // owners: this and the populator
  ArenaAllocator allocator_;
  std::unique_ptr<Populator> populator_;
};

/// \return the start of a small file of the kernel's; empty when it is not there.
std::string ReadKernelFile(const char* path) {
  const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  std::array<char, 4096> buffer{};
  const ssize_t size = ::read(fd, buffer.data(), buffer.size());
  ::close(fd);
  return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

/// \return the number after `key` in `text`; nothing when there is none (such as "max").
std::optional<std::uint64_t> NumberAfter(const std::string& text, std::string_view key) {
  auto at = text.find(key);
  if (at == std::string::npos) return std::nullopt;
  at = text.find_first_not_of(' ', at + key.size());
  if (at == std::string::npos) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(&text[at], text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

/// A memfd is not bounded by /dev/shm. If it grows beyond the memory of the machine, the kernel
/// kills some process, most likely not the one at fault, so the capacity is compared first.
/// \return what machine and control group can still give.
std::uint64_t AvailableBytes() {
  std::uint64_t available = ~0ULL;
  if (const auto kib = NumberAfter(ReadKernelFile("/proc/meminfo"), "MemAvailable:")) {
    available = *kib << 10;
  }
  // In a container the control group, of version 2 or 1, may allow less than the machine has.
  for (const char* limit :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    if (const auto bytes = NumberAfter(ReadKernelFile(limit), "")) {
      available = std::min(available, *bytes);
    }
  }
  return available;
}

/// \return a descriptor of fresh shared memory of that size, which nobody can resize.
Result<int> MakeArena(std::uint64_t capacity_bytes) {
  const int fd = ::memfd_create("mobula_object_store", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) {
    return Fail(ErrorCode::kInternal, "cannot make shared memory: {}", std::strerror(errno));
  }
  // The seals promise every process that maps it that no other can shrink it under its feet.
  if (::ftruncate(fd, static_cast<off_t>(capacity_bytes)) != 0 ||
      ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    const int error = errno;
    ::close(fd);
    return Fail(ErrorCode::kInternal, "cannot reserve {} of shared memory: {}",
                FormatSize(capacity_bytes), std::strerror(error));
  }
  return fd;
}

Result<Populate> ReadPopulate(ConfigReader& config) {
  const std::string populate = config.Text("populate", "lazy");
  if (populate == "lazy") return Populate::kLazy;
  if (populate == "ahead") return Populate::kAhead;
  return Fail(ErrorCode::kInvalidArgument, "{}.populate is '{}'; known: ahead, lazy", config.path(),
              populate);
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> MakeSharedMemoryStore(ConfigReader& config,
                                                           const ObjectStore::Context& context) {
  const std::uint64_t asked = config.Size("capacity", kCapacityBytesUsual);
  const Result<Populate> populate = ReadPopulate(config);
  if (!populate) return Fail(populate.error());
  auto eviction = ReadEviction(config, context);
  if (!eviction) return Fail(std::move(eviction.error()));
  // Nothing is reserved for a map with a bad key.
  if (Result<void> read = config.Finish(); !read) return Fail(std::move(read.error()));

  // Blocks are whole units of the alignment, so what is left of the last one could never be used.
  const std::uint64_t capacity = asked / kBlockAlignment * kBlockAlignment;
  if (capacity == 0) {
    return Fail(ErrorCode::kInvalidArgument, "a store of {} bytes holds nothing; try 512MiB",
                asked);
  }
  // Pages are taken when they are first used, which may be hours from now. A store that will not
  // fit is refused now, while there is somebody to read the reason.
  if (const std::uint64_t available = AvailableBytes(); capacity > available) {
    return Fail(ErrorCode::kResourceExhausted,
                "an object store of {} does not fit: {} of memory are available here",
                FormatSize(capacity), FormatSize(available));
  }
  const Result<int> fd = MakeArena(capacity);
  if (!fd) return Fail(fd.error());
  // The raylet writes what arrives from other nodes, so its own mapping is writable.
  auto mapping = Mapping::Make(*fd, capacity, MapAccess::kReadWrite);
  if (!mapping) {
    ::close(*fd);
    return Fail(std::move(mapping.error()));
  }
  return std::make_unique<ObjectTable>(
      capacity, std::make_unique<ArenaMemory>(*fd, std::move(*mapping), capacity, *populate),
      std::move(*eviction));
}

}  // namespace mobula::object_store
