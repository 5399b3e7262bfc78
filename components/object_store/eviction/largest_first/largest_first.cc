#include "components/object_store/eviction/largest_first/largest_first.h"

#include <list>
#include <unordered_map>

namespace mobula::object_store {
namespace {

class LargestFirst final : public EvictionPolicy {
 public:
  explicit LargestFirst(std::size_t among) : among_(among) {}

  void Add(const EvictionCandidate& candidate) override {
    by_use_.push_back(candidate);
    places_.emplace(candidate.id, std::prev(by_use_.end()));
  }
  void Remove(const ObjectId& id) override {
    const auto place = places_.find(id);
    if (place == places_.end()) return;
    by_use_.erase(place->second);
    places_.erase(place);
  }
  [[nodiscard]] std::optional<ObjectId> Victim() const override {
    if (by_use_.empty()) return std::nullopt;
    auto largest = by_use_.begin();
    std::size_t compared = 0;
    for (auto it = by_use_.begin(); it != by_use_.end() && compared < among_; ++it, ++compared) {
      // Only a strictly larger one replaces it, so among equals the one used longest ago stays.
      if (it->size_bytes > largest->size_bytes) largest = it;
    }
    return largest->id;
  }

 private:
  const std::size_t among_;
  std::list<EvictionCandidate> by_use_;  // the one used longest ago first
  std::unordered_map<ObjectId, std::list<EvictionCandidate>::iterator> places_;
};

}  // namespace

Result<std::unique_ptr<EvictionPolicy>> MakeLargestFirst(
    ConfigReader& config, const EvictionPolicy::Context& /*context*/) {
  return std::make_unique<LargestFirst>(config.Integer<std::size_t>("among", 8, 1, 1000));
}

}  // namespace mobula::object_store
