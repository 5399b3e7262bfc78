/// \file
/// \brief Policy `fifo`: what was created first goes first, however often it is used.
#pragma once

#include <map>
#include <unordered_map>

#include "components/object_store/eviction_policy.h"

namespace mobula {

/// Orders by creation, so use changes nothing. Cost: logarithmic.
class FifoPolicy final : public EvictionPolicy {
 public:
  void Add(const EvictionCandidate& candidate) override;
  void Remove(const ObjectId& id) override;
  std::optional<ObjectId> Victim() const override;
  std::string_view Name() const override { return "fifo"; }

 private:
  std::map<std::uint64_t, ObjectId> by_creation_;
  std::unordered_map<ObjectId, std::uint64_t> orders_;
};

}  // namespace mobula
