/// \file
/// \brief The object store itself: the states and pins of all objects, over any memory.
///
/// Every kind of store has the same rules (states, pins, capacity, eviction, deferred delete) and
/// differs only in where bytes live. So there is one table, and a kind is an `ObjectMemory`.
///
/// Deleting a pinned object hides it and lets its id be used again at once: a lost object that is
/// made again has the id of the one some slow reader still holds. The old bytes become a *doomed*
/// entry, which lives until its last holder lets go. A client that holds several incarnations of an
/// id lets go of all of them with its last `Release`: to free bytes too early would be wrong, to
/// free them late costs only room.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "components/object_store/eviction_policy.h"
#include "components/object_store/object_memory.h"
#include "components/object_store/object_store.h"

namespace mobula::object_store {

/// What `capacity` is for a store that does not say.
inline constexpr std::uint64_t kCapacityBytesUsual = 512ULL << 20;

/// \return the policy that `eviction:` in a store's map names, `lru` if it names none. Errors name
///         the key.
[[nodiscard]] Result<std::unique_ptr<EvictionPolicy>> ReadEviction(
    ConfigReader& config, const ObjectStore::Context& context);

/// The one implementation of `ObjectStore`; see there for the contract.
class ObjectTable final : public ObjectStore {
 public:
  /// \param capacity_bytes rounded down to whole blocks. The memory must be able to hold that much.
  ObjectTable(std::uint64_t capacity_bytes, std::unique_ptr<ObjectMemory> memory,
              std::unique_ptr<EvictionPolicy> policy);
  ~ObjectTable() override;

  Result<StoredObject> Create(const ObjectId& id, std::uint64_t size_bytes, CopyKind kind,
                              StoreClientId creator) override;
  Result<void> Seal(const ObjectId& id, StoreClientId creator) override;
  Result<void> Abort(const ObjectId& id, StoreClientId creator) override;
  std::optional<StoredObject> Get(const ObjectId& id, StoreClientId client) override;
  void Release(const ObjectId& id, StoreClientId client) override;
  void Delete(const ObjectId& id) override;
  void DropClient(StoreClientId client) override;
  bool ContainsSealed(const ObjectId& id) const override;
  std::optional<std::uint64_t> SizeOf(const ObjectId& id) const override;
  StoreUsage Usage() const override;
  void OnEvicted(std::function<void(const ObjectId&)> callback) override;
  void OnChange(std::function<void()> callback) override;
  int SharedDescriptor() const override { return memory_->SharedDescriptor(); }
  std::string_view Name() const override { return memory_->Name(); }
  void CheckInvariants() const override;

 private:
  enum class State : std::uint8_t { kCreated, kSealed, kDoomed };
  struct Entry {
    ObjectId id;
    StoredObject object;
    std::uint64_t block_bytes = 0;
    std::uint64_t created_order = 0;
    CopyKind kind = CopyKind::kPrimary;
    State state = State::kCreated;
    StoreClientId creator = kRaylet;
    std::uint32_t holders = 0;  ///< Clients with at least one pin.
  };
  /// The pins of one client on one id.
  struct Holding {
    std::uint64_t pins = 0;
    Entry* entry = nullptr;       ///< The incarnation pinned last.
    std::vector<Entry*> earlier;  ///< Doomed ones pinned before it; nearly always none.
  };
  struct Client {
    std::map<ObjectId, Holding> holdings;  // ordered: a death releases in the same order each run
    std::set<ObjectId> creating;
  };

  Result<Entry*> FindCreated(const ObjectId& id, StoreClientId creator, std::string_view doing);
  [[nodiscard]] bool IsEvictable(const Entry& entry) const;
  void MakeEvictable(Entry& entry);
  void KeepFromEviction(Entry& entry);
  void LetGo(Entry& entry);
  void Drop(const Holding& holding);
  void Free(std::unique_ptr<Entry> entry);
  void EraseVisible(const ObjectId& id);
  [[nodiscard]] bool EvictOne();
  void ForgetIfIdle(StoreClientId client);
  void Changed();
  std::unexpected<Error> NoRoom(const ObjectId& id, std::uint64_t size_bytes) const;

  const std::uint64_t capacity_bytes_;
  std::unique_ptr<ObjectMemory> memory_;
  std::unique_ptr<EvictionPolicy> policy_;
  std::unordered_map<ObjectId, std::unique_ptr<Entry>> visible_;     // never walked to act
  std::unordered_map<const Entry*, std::unique_ptr<Entry>> doomed_;  // never walked to act
  std::map<StoreClientId, Client> clients_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t primary_bytes_ = 0;
  std::uint64_t evictable_bytes_ = 0;
  std::uint64_t created_count_ = 0;
  std::function<void(const ObjectId&)> on_evicted_;
  std::function<void()> on_change_;
};

}  // namespace mobula::object_store
