#include "components/object_store/registration.h"

#include "components/object_store/eviction/fifo/fifo.h"
#include "components/object_store/eviction/largest_first/largest_first.h"
#include "components/object_store/eviction/lru/lru.h"
#include "components/object_store/heap/heap_store.h"
#include "components/object_store/shared_memory/shared_memory_store.h"

namespace mobula::object_store {
namespace {

constexpr std::initializer_list<Kind<EvictionPolicy>> kEvictionPolicies = {
    // eviction policies
    kFifo,
    kLargestFirst,
    kLru,
};

constexpr std::initializer_list<Kind<ObjectStore>> kStores = {
    // object stores
    kHeap,
    kSharedMemory,
};

}  // namespace

Kinds<EvictionPolicy> BuiltInEvictionPolicies() {
  return Kinds<EvictionPolicy>("eviction policy", kEvictionPolicies);
}

Kinds<ObjectStore> BuiltInStores() { return Kinds<ObjectStore>("object store", kStores); }

}  // namespace mobula::object_store
