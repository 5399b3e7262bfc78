/// \file
/// \brief What every `ObjectStore` must do, as checks that can be run against right and wrong ones.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "components/object_store/object_store.h"

namespace mobula::object_store::conformance {

/// Makes an empty store of that capacity with lru eviction.
using StoreFactory = std::function<std::unique_ptr<ObjectStore>(std::uint64_t capacity_bytes)>;
/// What was broken, in words; nothing when the promise was kept.
using Violation = std::optional<std::string>;

/// One promise of object_store.h.
struct StoreCheck {
  const char* name;
  const char* promise;  ///< As it stands in the header.
  Violation (*run)(const StoreFactory& make);
};

/// All of them. The last is a long random run against an obviously right model.
[[nodiscard]] const std::vector<StoreCheck>& StoreChecks();

}  // namespace mobula::object_store::conformance
