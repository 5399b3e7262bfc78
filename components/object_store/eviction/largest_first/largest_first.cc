#include "components/object_store/eviction/largest_first/largest_first.h"

#include "components/object_store/eviction/use_order.h"

namespace mobula::object_store {
namespace {

class LargestFirst final : public EvictionPolicy {
 public:
  explicit LargestFirst(std::size_t among) : among_(among) {}

  void Add(const EvictionCandidate& candidate) override { order_.Add(candidate); }
  void Remove(const ObjectId& id) override { order_.Remove(id); }
  [[nodiscard]] std::optional<ObjectId> Victim() const override {
    const auto& candidates = order_.candidates();
    if (candidates.empty()) return std::nullopt;
    // Only some of those used longest ago are compared: a large object that is in use now and then
    // must not go before small ones that nobody has read for hours.
    auto largest = candidates.begin();
    std::size_t compared = 0;
    for (auto it = largest; it != candidates.end() && compared < among_; ++it, ++compared) {
      // Only a strictly larger one replaces it, so among equals the one used longest ago stays.
      if (it->size_bytes > largest->size_bytes) largest = it;
    }
    return largest->id;
  }

 private:
  const std::size_t among_;
  UseOrder order_;
};

}  // namespace

Result<std::unique_ptr<EvictionPolicy>> MakeLargestFirst(
    ConfigReader& config, const EvictionPolicy::Context& /*context*/) {
  return std::make_unique<LargestFirst>(config.Integer<std::size_t>("among", 8, 1, 1000));
}

}  // namespace mobula::object_store
