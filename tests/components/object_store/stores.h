/// \file
/// \brief Object stores and eviction policies as YAML makes them, by the names of their kinds.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "components/object_store/registration.h"

namespace mobula::object_store {

/// A map of YAML whose values are all scalars: `{among: 3}`.
using TestKeys = std::map<std::string, std::string>;

inline ConfigValue ToConfig(const TestKeys& keys) {
  ConfigValue::Map map;
  for (const auto& [key, value] : keys) map.emplace(key, ConfigValue(value));
  return ConfigValue(std::move(map));
}

inline Result<std::unique_ptr<EvictionPolicy>> TryMakePolicy(const std::string& kind,
                                                             const TestKeys& keys = {}) {
  return BuiltInEvictionPolicies().Make(ToConfig(keys), "object_store.eviction", kind, {});
}
inline std::unique_ptr<EvictionPolicy> MakePolicy(const std::string& kind,
                                                  const TestKeys& keys = {}) {
  auto policy = TryMakePolicy(kind, keys);
  EXPECT_TRUE(policy) << policy.error().ToString();
  return std::move(*policy);
}

inline Result<std::unique_ptr<ObjectStore>> TryMakeStore(const std::string& kind,
                                                         std::uint64_t capacity_bytes,
                                                         TestKeys keys = {}) {
  const Kinds<EvictionPolicy> evictions = BuiltInEvictionPolicies();
  keys["capacity"] = std::to_string(capacity_bytes);
  return BuiltInStores().Make(ToConfig(keys), "object_store", kind, {.evictions = evictions});
}
inline std::unique_ptr<ObjectStore> MakeStore(const std::string& kind, std::uint64_t capacity_bytes,
                                              TestKeys keys = {}) {
  auto store = TryMakeStore(kind, capacity_bytes, std::move(keys));
  EXPECT_TRUE(store) << store.error().ToString();
  return std::move(*store);
}

}  // namespace mobula::object_store
