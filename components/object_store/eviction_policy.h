/// \file
/// \brief Which secondary copy goes first when room is needed. Pure bookkeeping.
#pragma once

#include <cstdint>
#include <optional>

#include "components/base/ids.h"
#include "components/base/kinds.h"

namespace mobula::object_store {

/// What a policy may know of an object.
struct EvictionCandidate {
  ObjectId id;
  std::uint64_t size_bytes = 0;
  std::uint64_t created_order = 0;  ///< Grows with every object created in this store.
};

/// Orders the objects that may be evicted. The store adds an object when it becomes evictable
/// (sealed, secondary, unpinned) and removes it when it no longer is: a pin removes, the last
/// release adds again.
///
/// Victims depend on the calls alone, so that a simulated run can be repeated.
/// Threads: the state lock. Cost of `Add` and `Remove`: logarithmic at most.
class EvictionPolicy {
 public:
  /// What its makers are given beside their keys: nothing.
  struct Context {};

  virtual ~EvictionPolicy() = default;
  /// The object may be evicted from now on; it counts as used now. \pre not added.
  virtual void Add(const EvictionCandidate& candidate) = 0;
  /// The object may no longer be evicted, or is gone. Unknown is fine.
  virtual void Remove(const ObjectId& id) = 0;
  /// \return the next victim, which stays until removed; nullopt if there is none.
  [[nodiscard]] virtual std::optional<ObjectId> Victim() const = 0;
};

}  // namespace mobula::object_store
