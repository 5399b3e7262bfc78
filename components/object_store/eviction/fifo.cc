#include "components/object_store/eviction/fifo.h"

namespace mobula {

void FifoPolicy::Add(const EvictionCandidate& candidate) {
  by_creation_.emplace(candidate.created_order, candidate.id);
  orders_.emplace(candidate.id, candidate.created_order);
}

void FifoPolicy::Remove(const ObjectId& id) {
  const auto it = orders_.find(id);
  if (it == orders_.end()) return;
  by_creation_.erase(it->second);
  orders_.erase(it);
}

std::optional<ObjectId> FifoPolicy::Victim() const {
  if (by_creation_.empty()) return std::nullopt;
  return by_creation_.begin()->second;
}

}  // namespace mobula
