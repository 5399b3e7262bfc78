/// \file
/// \brief Policy `lru`: what has not been used for longest goes first.
#pragma once

#include <list>
#include <unordered_map>

#include "components/object_store/eviction_policy.h"

namespace mobula {

/// Adding is using: the store adds an object again when its last pin goes. Cost: constant.
class LruPolicy final : public EvictionPolicy {
 public:
  void Add(const EvictionCandidate& candidate) override;
  void Remove(const ObjectId& id) override;
  std::optional<ObjectId> Victim() const override;
  std::string_view Name() const override { return "lru"; }

 private:
  std::list<ObjectId> by_use_;  // front: used longest ago
  std::unordered_map<ObjectId, std::list<ObjectId>::iterator> places_;
};

}  // namespace mobula
