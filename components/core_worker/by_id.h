/// \file
/// \brief A set of things that know their id, found by it: eight bytes for each beside the thing.
#pragma once

#include <boost/unordered/unordered_flat_set.hpp>
#include <memory>

#include "components/base/ids.h"

namespace mobula::core_worker {

/// Hashes and compares owners of things, and ids in their place.
template <typename T>
struct ById {
  using is_transparent = void;
  using IdType = decltype(T::id);
  static IdType Of(const IdType& id) { return id; }
  static const IdType& Of(const std::unique_ptr<T>& thing) { return thing->id; }
  std::size_t operator()(const auto& key) const { return IdHash()(Of(key)); }
  bool operator()(const auto& a, const auto& b) const { return Of(a) == Of(b); }
};

/// Things stay where they are. Never walk it where the order matters: it follows the hash.
template <typename T>
using SetById = boost::unordered_flat_set<std::unique_ptr<T>, ById<T>, ById<T>>;

/// Erases one thing. The memory of a set that has become small goes too, with all its iterators.
template <typename T>
void Erase(SetById<T>& set, typename SetById<T>::iterator it) {
  constexpr std::size_t kPlacesKept = 4096;
  set.erase(it);
  if (set.bucket_count() > kPlacesKept && set.size() < set.bucket_count() / 8) set.rehash(0);
}

}  // namespace mobula::core_worker
