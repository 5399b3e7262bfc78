#include "components/object_store/heap/heap_store.h"

#include <new>

#include "components/object_store/object_table.h"

namespace mobula::object_store {
namespace {

class HeapMemory final : public ObjectMemory {
 public:
  std::optional<StoredObject> Allocate(std::uint64_t size_bytes) override {
    void* const memory = ::operator new(BlockBytes(size_bytes), kAlignment, std::nothrow);
    if (memory == nullptr) return std::nullopt;
    return StoredObject{.bytes = {static_cast<std::byte*>(memory), size_bytes}};
  }
  void Free(const StoredObject& object) override {
    ::operator delete(object.bytes.data(), kAlignment);
  }
  [[nodiscard]] int SharedDescriptor() const override { return -1; }
  [[nodiscard]] std::string_view Name() const override { return "heap"; }

 private:
  static constexpr std::align_val_t kAlignment{kBlockAlignment};
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> MakeHeapStore(ConfigReader& config,
                                                   const ObjectStore::Context& context) {
  const std::uint64_t capacity_bytes = config.Size("capacity", kCapacityBytesUsual);
  auto eviction = ReadEviction(config, context);
  if (!eviction) return Fail(std::move(eviction.error()));
  return std::make_unique<ObjectTable>(capacity_bytes, std::make_unique<HeapMemory>(),
                                       std::move(*eviction));
}

}  // namespace mobula::object_store
