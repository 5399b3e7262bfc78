#include "components/object_store/eviction/lru/lru.h"

#include "components/object_store/eviction/use_order.h"

namespace mobula::object_store {
namespace {

class Lru final : public EvictionPolicy {
 public:
  void Add(const EvictionCandidate& candidate) override { order_.Add(candidate); }
  void Remove(const ObjectId& id) override { order_.Remove(id); }
  [[nodiscard]] std::optional<ObjectId> Victim() const override {
    const auto& candidates = order_.candidates();
    return candidates.empty() ? std::nullopt : std::optional(candidates.front().id);
  }

 private:
  UseOrder order_;
};

}  // namespace

Result<std::unique_ptr<EvictionPolicy>> MakeLru(ConfigReader& /*config*/,
                                                const EvictionPolicy::Context& /*context*/) {
  return std::make_unique<Lru>();
}

}  // namespace mobula::object_store
