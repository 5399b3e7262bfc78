/// \file
/// \brief What every `EvictionPolicy` must do, as checks that can be run against right and wrong
/// ones.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "components/object_store/eviction_policy.h"

namespace mobula::object_store::conformance {

/// Makes a policy that knows of no object.
using PolicyFactory = std::function<std::unique_ptr<EvictionPolicy>()>;

/// One promise of eviction_policy.h.
struct EvictionCheck {
  const char* name;
  const char* promise;  ///< As it stands in the header.
  /// \return what was broken, in words; nothing when the promise was kept.
  std::optional<std::string> (*run)(const PolicyFactory& make);
};

[[nodiscard]] const std::vector<EvictionCheck>& EvictionChecks();

}  // namespace mobula::object_store::conformance
