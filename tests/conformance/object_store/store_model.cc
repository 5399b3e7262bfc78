#include "tests/conformance/object_store/store_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <vector>

#include "components/base/random.h"

namespace mobula::object_store::conformance {
namespace {

constexpr std::uint64_t kBlock = 64;
constexpr int kObjects = 12;
constexpr StoreClientId kClients = 4;
constexpr std::uint64_t kCapacity = 16 * kBlock;

ObjectId IdOf(int n) { return ObjectId::OfTask(TaskId(), static_cast<std::uint32_t>(n)); }

/// One incarnation of an object in the model. All questions are answered by walking the list.
struct Copy {
  int n;
  int stamp;  ///< What its bytes are filled with.
  std::uint64_t size;
  CopyKind kind;
  StoreClientId creator;
  bool sealed = false;
  bool deleted = false;
  std::uint64_t used_at = 0;
  std::vector<StoreClientId> pins{};
  StoredObject real{};

  [[nodiscard]] std::uint64_t Blocks() const {
    return (std::max<std::uint64_t>(size, 1) + kBlock - 1) / kBlock * kBlock;
  }
  [[nodiscard]] bool Evictable() const {
    return sealed && !deleted && pins.empty() && kind == CopyKind::kSecondary;
  }
};

class Walk {
 public:
  Walk(const StoreFactory& make, std::uint64_t seed) : store_(make(kCapacity)), random_(seed) {
    store_->OnEvicted([this](const ObjectId& id) { evicted_.push_back(id); });
  }

  Violation Run() {
    for (int step = 0; step < 1000; ++step) {
      ++time_;
      Violation violation = Step();
      if (!violation) violation = Compare();
      if (violation) return fmt::format("step {}: {}", step, *violation);
    }
    return {};
  }

 private:
  Violation Step() {
    const int n = static_cast<int>(random_.Below(kObjects));
    const StoreClientId client = random_.Below(kClients);
    switch (random_.Below(10)) {
      case 0:
      case 1:
      case 2: return Create(n, client);
      case 3:
      case 4: return Seal(n, client);
      case 5:
      case 6: return Get(n, client);
      case 7: return Release(n, client);
      case 8: return random_.Chance(0.2) ? Drop(client) : Abort(n, client);
      default:
        store_->Delete(IdOf(n));
        if (Copy* copy = Find(n); copy != nullptr && copy->sealed) copy->deleted = true;
        return Sweep();
    }
  }

  Copy* Find(int n) {
    const auto it = std::ranges::find_if(
        copies_, [n](const Copy& copy) { return copy.n == n && !copy.deleted; });
    return it == copies_.end() ? nullptr : &*it;
  }
  [[nodiscard]] std::uint64_t Used() const {
    std::uint64_t used = 0;
    for (const Copy& copy : copies_) used += copy.Blocks();
    return used;
  }
  [[nodiscard]] std::uint64_t EvictableBytes() const {
    std::uint64_t bytes = 0;
    for (const Copy& copy : copies_) bytes += copy.Evictable() ? copy.Blocks() : 0;
    return bytes;
  }
  Violation Sweep() {
    std::erase_if(copies_, [](const Copy& copy) { return copy.deleted && copy.pins.empty(); });
    return {};
  }

  Violation Create(int n, StoreClientId client) {
    Copy copy{.n = n,
              .stamp = ++stamp_,
              .size = random_.Below(6 * kBlock),
              .kind = random_.Chance(0.6) ? CopyKind::kSecondary : CopyKind::kPrimary,
              .creator = client};
    const bool exists = Find(n) != nullptr;
    const std::uint64_t evictable = EvictableBytes();
    const bool fits = Used() - evictable + copy.Blocks() <= kCapacity;
    evicted_.clear();
    const auto created = store_->Create(IdOf(n), copy.size, copy.kind, client);
    if (auto violation = FollowEvictions()) return violation;
    if (exists) {
      return !created && created.error().code() == ErrorCode::kAlreadyExists
                 ? Violation()
                 : "Create of an id that is here must be kAlreadyExists";
    }
    if (!created) {
      // An arena may have the room in pieces; then it has given up all it could evict.
      if (created.error().code() != ErrorCode::kStoreFull) return "wrong error of Create";
      return fits && (store_->SharedDescriptor() < 0 || EvictableBytes() > 0)
                 ? Violation("Create of what fits must work")
                 : Violation();
    }
    if (!fits) return "Create of what does not fit must fail";
    copy.real = *created;
    std::ranges::fill(copy.real.bytes, std::byte(copy.stamp));
    copies_.push_back(copy);
    return {};
  }

  /// Every eviction was allowed, and in order of use.
  Violation FollowEvictions() {
    for (const ObjectId& id : evicted_) {
      auto victim = copies_.end();
      for (auto it = copies_.begin(); it != copies_.end(); ++it) {
        if (it->Evictable() && (victim == copies_.end() || it->used_at < victim->used_at)) {
          victim = it;
        }
      }
      if (victim == copies_.end()) return "something was evicted that must stay";
      if (IdOf(victim->n) != id) return "evicted was not the least recently used";
      copies_.erase(victim);
    }
    return {};
  }

  Violation Seal(int n, StoreClientId client) {
    Copy* copy = Find(n);
    if (copy != nullptr && !copy->sealed && random_.Chance(0.7)) client = copy->creator;
    const bool should = copy != nullptr && !copy->sealed && copy->creator == client;
    if (store_->Seal(IdOf(n), client).has_value() != should) return "Seal by its creator, once";
    if (should) copy->sealed = true, copy->used_at = time_;
    return {};
  }

  Violation Abort(int n, StoreClientId client) {
    const Copy* copy = Find(n);
    const bool should = copy != nullptr && !copy->sealed && copy->creator == client;
    if (store_->Abort(IdOf(n), client).has_value() != should) return "Abort by its creator";
    if (should) std::erase_if(copies_, [copy](const Copy& other) { return &other == copy; });
    return {};
  }

  Violation Get(int n, StoreClientId client) {
    Copy* copy = Find(n);
    const auto object = store_->Get(IdOf(n), client);
    const bool should = copy != nullptr && copy->sealed;
    if (object.has_value() != should) return "Get gives exactly the sealed";
    if (should) copy->pins.push_back(client);
    return {};
  }

  /// With several incarnations pinned by one client, releases count together (object_table.h); a
  /// model that lets the newest go last is the same from outside only at the very last release.
  Violation Release(int n, StoreClientId client) {
    store_->Release(IdOf(n), client);
    std::size_t pins = 0;
    for (const Copy& copy : copies_) {
      if (copy.n == n) pins += static_cast<std::size_t>(std::ranges::count(copy.pins, client));
    }
    std::size_t& released = released_[{n, client}];
    if (pins == 0 || ++released < pins) return {};
    released = 0;
    for (Copy& copy : copies_) {
      if (copy.n == n && std::erase(copy.pins, client) > 0) copy.used_at = time_;
    }
    return Sweep();
  }

  Violation Drop(StoreClientId client) {
    store_->DropClient(client);
    std::erase_if(copies_,
                  [client](const Copy& copy) { return !copy.sealed && copy.creator == client; });
    // All pins go at one moment; the store orders them by id.
    std::ranges::stable_sort(copies_, {}, [](const Copy& copy) { return IdOf(copy.n); });
    for (Copy& copy : copies_) {
      if (std::erase(copy.pins, client) > 0) copy.used_at = ++time_;
      released_.erase({copy.n, client});
    }
    return Sweep();
  }

  Violation Compare() {
    store_->CheckInvariants();
    const StoreUsage usage = store_->Usage();
    if (usage.used_bytes > usage.capacity_bytes) return "the capacity is exceeded";
    if (usage.used_bytes != Used()) {
      return fmt::format("used_bytes is {}, should be {}", usage.used_bytes, Used());
    }
    if (usage.evictable_bytes != EvictableBytes()) {
      return fmt::format("evictable_bytes is {}, should be {}", usage.evictable_bytes,
                         EvictableBytes());
    }
    for (const Copy& copy : copies_) {
      if (std::ranges::any_of(copy.real.bytes,
                              [&](std::byte b) { return b != std::byte(copy.stamp); })) {
        return fmt::format("bytes of object {} changed", copy.n);
      }
    }
    return {};
  }

  std::unique_ptr<ObjectStore> store_;
  Random random_;
  std::vector<Copy> copies_;
  std::vector<ObjectId> evicted_;
  std::map<std::pair<int, StoreClientId>, std::size_t> released_;
  std::uint64_t time_ = 0;
  int stamp_ = 0;
};

}  // namespace

Violation RunAgainstModel(const StoreFactory& make, std::uint64_t seed) {
  return Walk(make, seed).Run();
}

}  // namespace mobula::object_store::conformance
