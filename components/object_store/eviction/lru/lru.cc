#include "components/object_store/eviction/lru/lru.h"

#include <list>
#include <unordered_map>

namespace mobula::object_store {
namespace {

class Lru final : public EvictionPolicy {
 public:
  void Add(const EvictionCandidate& candidate) override {
    by_use_.push_back(candidate.id);
    places_.emplace(candidate.id, std::prev(by_use_.end()));
  }
  void Remove(const ObjectId& id) override {
    const auto place = places_.find(id);
    if (place == places_.end()) return;
    by_use_.erase(place->second);
    places_.erase(place);
  }
  [[nodiscard]] std::optional<ObjectId> Victim() const override {
    return by_use_.empty() ? std::nullopt : std::optional(by_use_.front());
  }

 private:
  std::list<ObjectId> by_use_;  // the one used longest ago first
  std::unordered_map<ObjectId, std::list<ObjectId>::iterator> places_;
};

}  // namespace

Result<std::unique_ptr<EvictionPolicy>> MakeLru(ConfigReader& /*config*/,
                                                const EvictionPolicy::Context& /*context*/) {
  return std::make_unique<Lru>();
}

}  // namespace mobula::object_store
