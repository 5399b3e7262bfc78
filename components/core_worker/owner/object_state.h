/// \file
/// \brief What a process knows of one object.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>

#include "components/base/ids.h"
#include "components/base/payload.h"
#include "components/base/result.h"
#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

/// An object that is not there yet.
struct Pending {};
/// A value too large to travel inline: which nodes have a copy.
struct InStore {
  std::uint64_t size_bytes = 0;
  std::map<NodeId, std::string> copies;  ///< Node → endpoint of its raylet.
};
/// What is known of an object: nothing yet, its value, where it is, or why there is none.
using ObjectState = std::variant<Pending, Payload, InStore, Error>;

using internal::OwnerPtr;

/// Names one waiting callback. 0: none.
using WatchId = std::uint64_t;

}  // namespace mobula::core_worker
