#include "components/object_store/store_parts.h"

#include "components/object_store/registration.h"

namespace mobula::object_store {

Result<StoreParts> MakeStore(const ConfigValue& config) {
  const Kinds<EvictionPolicy> evictions = BuiltInEvictionPolicies();
  ConfigReader reader(config, "object_store");
  StoreParts parts{{}, ReadCreateQueueOptions(reader), ReadPullOptions(reader)};
  Result<std::unique_ptr<ObjectStore>> store =
      BuiltInStores().Make(reader, "shared_memory", {.evictions = evictions});
  if (!store) return Fail(std::move(store.error()));
  parts.store = std::move(*store);
  return parts;
}

}  // namespace mobula::object_store
