#include "components/object_store/eviction/lru.h"

namespace mobula {

void LruPolicy::Add(const EvictionCandidate& candidate) {
  places_.emplace(candidate.id, by_use_.insert(by_use_.end(), candidate.id));
}

void LruPolicy::Remove(const ObjectId& id) {
  const auto it = places_.find(id);
  if (it == places_.end()) return;
  by_use_.erase(it->second);
  places_.erase(it);
}

std::optional<ObjectId> LruPolicy::Victim() const {
  if (by_use_.empty()) return std::nullopt;
  return by_use_.front();
}

}  // namespace mobula
