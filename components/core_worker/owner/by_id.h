/// \file
/// \brief A set of things that know their id, found by it: five to twelve bytes beside each thing.
#pragma once

#include <sanitizer/asan_interface.h>
#include <algorithm>
#include <array>
#include <boost/unordered/unordered_flat_set.hpp>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "components/base/check.h"
#include "components/base/ids.h"

namespace mobula::core_worker {

/// Things stay where they are, in numbered places of slabs that are given back when they are empty.
/// Never walk it where the order matters: it follows the hash.
template <typename T>
class SetById {
 public:
  ~SetById() { Clear(); }
  [[nodiscard]] std::size_t size() const { return numbers_.size(); }
  [[nodiscard]] T* Find(const auto& id) const {
    const auto it = numbers_.find(id);
    return it == numbers_.end() ? nullptr : &At(*it).thing;
  }
  /// \pre its id is new here.
  T& Add(auto&&... arguments) {
    if (open_.empty()) Open();
    Slab& slab = *slabs_[open_.back()];
    const std::uint32_t number = open_.back() * kPlaces + slab.first_free;
    Place& place = At(number);
    ASAN_UNPOISON_MEMORY_REGION(&place, sizeof place);
    slab.first_free = place.next_free;
    if (++slab.used == kPlaces) open_.pop_back();
    ::new (&place.thing) T(std::forward<decltype(arguments)>(arguments)...);
    Check(numbers_.insert(number).second, "an id is new to the set it is added to");
    return place.thing;
  }
  void Erase(T& thing) {
    const auto it = numbers_.find(&thing);
    const std::uint32_t number = *it;
    numbers_.erase(it);
    std::destroy_at(&thing);
    auto& slab = slabs_[number / kPlaces];
    At(number).next_free = std::exchange(slab->first_free, number % kPlaces);
    ASAN_POISON_MEMORY_REGION(&At(number), sizeof(Place));  // whoever still uses it is told
    if (slab->used-- == kPlaces) open_.push_back(number / kPlaces);
    if (slab->used > 0 || open_.size() == 1) return;
    std::erase(open_, number / kPlaces);
    slab.reset();
    const std::size_t room = numbers_.bucket_count();
    if (room / kPlaces > 16 && size() < room / 8) numbers_.rehash(0);
  }
  void ForEach(auto&& visit) const {
    for (const std::uint32_t number : numbers_) visit(At(number).thing);
  }
  void Clear() {
    ForEach([](T& thing) { std::destroy_at(&thing); });
    Abandon();
  }
  /// Forgets all things and destroys none: they stay as long as this set.
  void Abandon() { numbers_.clear(); }

 private:
  static constexpr std::uint32_t kPlaces = 256;
  union Place {
    Place() {}   // NOLINT(modernize-use-equals-default): that would be deleted
    ~Place() {}  // NOLINT(modernize-use-equals-default)
    T thing;
    std::uint32_t next_free;
  };
  struct Slab {
    std::uint32_t used = 0, first_free = 0;
    std::array<Place, kPlaces> places;
  };
  /// Hashes and compares numbers of things, and in their place ids, and things themselves.
  struct ById {
    using is_transparent = void;
    using Id = std::remove_const_t<decltype(T::id)>;
    // The key lives as long as the call that asks. NOLINTNEXTLINE(bugprone-return-const-ref-*)
    [[nodiscard]] static const Id& Of(const Id& id) { return id; }
    [[nodiscard]] static const Id& Of(const T* thing) { return thing->id; }
    [[nodiscard]] const Id& Of(std::uint32_t number) const { return set->At(number).thing.id; }
    std::size_t operator()(const auto& key) const { return IdHash()(Of(key)); }
    bool operator()(const auto& a, const auto& b) const {
      return std::memcmp(&Of(a), &Of(b), Id::kSize) == 0;  // without a call
    }
    const SetById* set;
  };
  [[nodiscard]] Place& At(std::uint32_t number) const {
    return slabs_[number / kPlaces]->places[number % kPlaces];
  }
  void Open() {
    const auto vacant = std::find(slabs_.begin(), slabs_.end(), nullptr);
    open_.push_back(static_cast<std::uint32_t>(vacant - slabs_.begin()));
    if (vacant == slabs_.end()) slabs_.emplace_back();
    auto& slab = *(slabs_[open_.back()] = std::make_unique_for_overwrite<Slab>());
    for (std::uint32_t i = 0; i < kPlaces; ++i) slab.places[i].next_free = i + 1;
  }

  std::vector<std::unique_ptr<Slab>> slabs_;  // null: given back
  std::vector<std::uint32_t> open_;           // those with a free place; the last is filled first
  boost::unordered_flat_set<std::uint32_t, ById, ById> numbers_{0, {this}, {this}};
};

}  // namespace mobula::core_worker
