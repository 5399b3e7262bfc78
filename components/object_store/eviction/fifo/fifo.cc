#include "components/object_store/eviction/fifo/fifo.h"

#include <map>
#include <unordered_map>

namespace mobula::object_store {
namespace {

class Fifo final : public EvictionPolicy {
 public:
  void Add(const EvictionCandidate& candidate) override {
    by_creation_.emplace(candidate.created_order, candidate.id);
    orders_.emplace(candidate.id, candidate.created_order);
  }
  void Remove(const ObjectId& id) override {
    const auto order = orders_.find(id);
    if (order == orders_.end()) return;
    by_creation_.erase(order->second);
    orders_.erase(order);
  }
  [[nodiscard]] std::optional<ObjectId> Victim() const override {
    return by_creation_.empty() ? std::nullopt : std::optional(by_creation_.begin()->second);
  }

 private:
  std::map<std::uint64_t, ObjectId> by_creation_;
  std::unordered_map<ObjectId, std::uint64_t> orders_;
};

}  // namespace

Result<std::unique_ptr<EvictionPolicy>> MakeFifo(ConfigReader& /*config*/,
                                                 const EvictionPolicy::Context& /*context*/) {
  return std::make_unique<Fifo>();
}

}  // namespace mobula::object_store
