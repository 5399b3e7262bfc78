#include "components/object_store/eviction/policies.h"

#include <map>
#include <unordered_map>

namespace mobula::object_store {
namespace {

enum class OrderBy : std::uint8_t { kUse, kCreation };

/// The objects in one order, the next victim first.
class OrderedPolicy final : public EvictionPolicy {
 public:
  explicit OrderedPolicy(OrderBy by) : by_(by) {}

  void Add(const EvictionCandidate& candidate) override {
    const std::uint64_t order = by_ == OrderBy::kUse ? ++last_use_ : candidate.created_order;
    places_.emplace(candidate.id, objects_.emplace_hint(objects_.end(), order, candidate.id));
  }
  void Remove(const ObjectId& id) override {
    const auto it = places_.find(id);
    if (it == places_.end()) return;
    objects_.erase(it->second);
    places_.erase(it);
  }
  [[nodiscard]] std::optional<ObjectId> Victim() const override {
    return objects_.empty() ? std::nullopt : std::optional(objects_.begin()->second);
  }

 private:
  const OrderBy by_;
  std::uint64_t last_use_ = 0;
  std::map<std::uint64_t, ObjectId> objects_;
  std::unordered_map<ObjectId, std::map<std::uint64_t, ObjectId>::iterator> places_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> MakeLruPolicy() {
  return std::make_unique<OrderedPolicy>(OrderBy::kUse);
}
std::unique_ptr<EvictionPolicy> MakeFifoPolicy() {
  return std::make_unique<OrderedPolicy>(OrderBy::kCreation);
}

}  // namespace mobula::object_store
