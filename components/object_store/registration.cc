#include "components/object_store/registration.h"

#include "components/object_store/eviction/policies.h"
#include "components/object_store/heap/heap_store.h"
#include "components/object_store/shared_memory/shared_memory_store.h"

namespace mobula::object_store {
namespace {

constexpr std::uint64_t kDefaultCapacity = 512ULL << 20;

Result<std::unique_ptr<ObjectStore>> MakeHeap(ConfigReader& reader,
                                              std::unique_ptr<EvictionPolicy> policy) {
  return MakeHeapStore(reader.Size("capacity", kDefaultCapacity), std::move(policy));
}

Result<std::unique_ptr<ObjectStore>> MakeSharedMemory(ConfigReader& reader,
                                                      std::unique_ptr<EvictionPolicy> policy) {
  SharedMemoryOptions options;
  options.capacity_bytes = reader.Size("capacity", kDefaultCapacity);
  const std::string populate = reader.Text("populate", "lazy");
  if (populate == "ahead") {
    options.populate = Populate::kAhead;
  } else if (populate != "lazy") {
    return Fail(ErrorCode::kInvalidArgument, "{}.populate is '{}'; known: ahead, lazy",
                reader.path(), populate);
  }
  return MakeSharedMemoryStore(options, std::move(policy));
}

}  // namespace

void RegisterObjectStores(ObjectStoreKinds& kinds) {
  kinds.policies.Add("lru", MakeLruPolicy);
  kinds.policies.Add("fifo", MakeFifoPolicy);
  kinds.stores.Add("heap", MakeHeap);
  kinds.stores.Add("shared_memory", MakeSharedMemory);
}

Result<std::unique_ptr<ObjectStore>> MakeObjectStore(ConfigReader& reader,
                                                     const ObjectStoreKinds& kinds) {
  ConfigReader eviction(reader.Child("eviction"), reader.path() + ".eviction");
  const auto policy = kinds.policies.Find(eviction.Text("kind", "lru"));
  if (!policy) return Fail(policy.error());
  if (const auto read = eviction.Finish(); !read) return Fail(read.error());
  const auto store = kinds.stores.Find(reader.Text("kind", "shared_memory"));
  if (!store) return Fail(store.error());
  auto made = (**store)(reader, (**policy)());
  if (const auto read = reader.Finish(); !read) return Fail(read.error());
  return made;
}

}  // namespace mobula::object_store
