/// \file
/// \edge
/// \brief Candidates for eviction in the order of their last use; shared by policies.
#pragma once

#include <iterator>
#include <list>
#include <unordered_map>

#include "components/object_store/eviction_policy.h"

namespace mobula::object_store {

/// A list, and where each object stands in it. The store adds an object when its last reader has
/// gone, so the order of adding is the order of use. Threads: the state lock. Cost: constant.
class UseOrder {
 public:
  void Add(const EvictionCandidate& candidate) {
    candidates_.push_back(candidate);
    places_.emplace(candidate.id, std::prev(candidates_.end()));
  }
  /// Unknown is fine.
  void Remove(const ObjectId& id) {
    const auto place = places_.find(id);
    if (place == places_.end()) return;
    candidates_.erase(place->second);
    places_.erase(place);
  }
  /// \return all of them, the one used longest ago first.
  [[nodiscard]] const std::list<EvictionCandidate>& candidates() const { return candidates_; }

 private:
  std::list<EvictionCandidate> candidates_;
  std::unordered_map<ObjectId, std::list<EvictionCandidate>::iterator> places_;
};

}  // namespace mobula::object_store
