/// \file
/// \brief A store so simple that it is obviously right, and a random walk that compares.
#pragma once

#include "tests/conformance/object_store/store_checks.h"

namespace mobula::object_store::conformance {

/// Drives a store and the model with the same thousand random calls and compares every answer, the
/// bytes of every view in use, the usage, and who was evicted.
[[nodiscard]] Violation RunAgainstModel(const StoreFactory& make, std::uint64_t seed);

}  // namespace mobula::object_store::conformance
