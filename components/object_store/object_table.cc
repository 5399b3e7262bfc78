#include "components/object_store/object_table.h"

#include "components/base/check.h"
#include "components/base/config_value.h"

namespace mobula::object_store {

Result<std::unique_ptr<EvictionPolicy>> ReadEviction(ConfigReader& config,
                                                     const ObjectStore::Context& context) {
  return context.evictions.Make(config.Child("eviction"), config.path() + ".eviction", "lru", {});
}

ObjectTable::ObjectTable(std::uint64_t capacity_bytes, std::unique_ptr<ObjectMemory> memory,
                         std::unique_ptr<EvictionPolicy> policy)
    : capacity_bytes_(capacity_bytes / kBlockAlignment * kBlockAlignment),
      memory_(std::move(memory)),
      policy_(std::move(policy)) {}

ObjectTable::~ObjectTable() {
  // Views that are still held keep their mapping, not their block: no block is given out any more.
  for (const auto& [id, entry] : visible_) memory_->Free(entry->object);
  for (const auto& [key, entry] : doomed_) memory_->Free(entry->object);
}

Result<StoredObject> ObjectTable::Create(const ObjectId& id, std::uint64_t size_bytes,
                                         CopyKind kind, StoreClientId creator) {
  if (const auto it = visible_.find(id); it != visible_.end()) {
    const bool sealed = it->second->state == State::kSealed;
    return Fail(ErrorCode::kAlreadyExists, "object {} is already here, {}", id.Short(),
                sealed ? "sealed" : "being written");
  }
  //! [make-room]
  if (size_bytes > capacity_bytes_) return NoRoom(id, size_bytes);
  const std::uint64_t block_bytes = BlockBytes(size_bytes);
  // Nothing is evicted for an object that would not fit even then.
  if (used_bytes_ - evictable_bytes_ + block_bytes > capacity_bytes_) return NoRoom(id, size_bytes);
  while (used_bytes_ + block_bytes > capacity_bytes_) Check(EvictOne(), "evictable bytes exist");
  auto object = memory_->Allocate(size_bytes);
  // Enough room, but in pieces: victims go until two of them happen to be neighbours.
  while (!object && EvictOne()) object = memory_->Allocate(size_bytes);
  if (!object) return NoRoom(id, size_bytes);
  //! [make-room]

  // From here on the room is taken, though nobody but the creator can see the object.
  auto entry = std::make_unique<Entry>(Entry{.id = id,
                                             .object = *object,
                                             .block_bytes = block_bytes,
                                             .created_order = ++created_count_,
                                             .kind = kind,
                                             .creator = creator});
  used_bytes_ += block_bytes;
  if (kind == CopyKind::kPrimary) primary_bytes_ += block_bytes;
  visible_.emplace(id, std::move(entry));
  clients_[creator].creating.insert(id);
  return *object;
}

std::unexpected<Error> ObjectTable::NoRoom(const ObjectId& id, std::uint64_t size_bytes) const {
  if (size_bytes > capacity_bytes_) {
    return Fail(ErrorCode::kStoreFull, "object {} is {}, the store holds {}", id.Short(),
                FormatSize(size_bytes), FormatSize(capacity_bytes_));
  }
  return Fail(ErrorCode::kStoreFull,
              "object {} is {}, the store of {} has {} in use ({} primary copies, {} evictable)",
              id.Short(), FormatSize(size_bytes), FormatSize(capacity_bytes_),
              FormatSize(used_bytes_), FormatSize(primary_bytes_), FormatSize(evictable_bytes_));
}

Result<ObjectTable::Entry*> ObjectTable::FindCreated(const ObjectId& id, StoreClientId creator,
                                                     std::string_view doing) {
  // Three ways to be wrong, each with its own answer: a client must be able to tell a lost race
  // (another attempt of the task has sealed it) from a mistake of its own.
  const auto it = visible_.find(id);
  if (it == visible_.end()) {
    return Fail(ErrorCode::kNotFound, "cannot {} object {}: it was never created, or aborted",
                doing, id.Short());
  }
  Entry& entry = *it->second;
  if (entry.state != State::kCreated) {
    return Fail(ErrorCode::kInvalidArgument, "cannot {} object {}: it is sealed", doing,
                id.Short());
  }
  if (entry.creator != creator) {
    return Fail(ErrorCode::kInvalidArgument, "cannot {} object {}: client {} is writing it, not {}",
                doing, id.Short(), entry.creator, creator);
  }
  return &entry;
}

Result<void> ObjectTable::Seal(const ObjectId& id, StoreClientId creator) {
  auto entry = FindCreated(id, creator, "seal");
  if (!entry) return Fail(std::move(entry.error()));
  // The bytes are final: readers may come now, and the creator has no special right any more.
  (*entry)->state = State::kSealed;
  clients_[creator].creating.erase(id);
  ForgetIfIdle(creator);
  // A copy that was pulled ahead of its first reader may go at once if room is short.
  if (IsEvictable(**entry)) MakeEvictable(**entry);
  Changed();
  return {};
}

Result<void> ObjectTable::Abort(const ObjectId& id, StoreClientId creator) {
  auto entry = FindCreated(id, creator, "abort");
  if (!entry) return Fail(std::move(entry.error()));
  // Nobody else can have seen it, so there are no pins to wait for.
  clients_[creator].creating.erase(id);
  ForgetIfIdle(creator);
  EraseVisible(id);
  Changed();
  return {};
}

std::optional<StoredObject> ObjectTable::Get(const ObjectId& id, StoreClientId client) {
  const auto it = visible_.find(id);
  if (it == visible_.end() || it->second->state != State::kSealed) return std::nullopt;
  Entry& entry = *it->second;
  Holding& holding = clients_[client].holdings[id];
  ++holding.pins;
  // The client's first pin on this incarnation. It may still hold an earlier one that was deleted
  // meanwhile; that one stays among `earlier` until the client's last release.
  if (holding.entry != &entry) {
    if (holding.entry != nullptr) holding.earlier.push_back(holding.entry);
    holding.entry = &entry;
    KeepFromEviction(entry);  // from its first holder on
    ++entry.holders;
  }
  return entry.object;
}

void ObjectTable::Release(const ObjectId& id, StoreClientId client) {
  const auto owner = clients_.find(client);
  if (owner == clients_.end()) return;
  const auto it = owner->second.holdings.find(id);
  if (it == owner->second.holdings.end() || --it->second.pins > 0) return;
  // The client's last pin on this id: it lets go of every incarnation that it holds.
  const Holding holding = std::move(it->second);
  owner->second.holdings.erase(it);
  ForgetIfIdle(client);
  Drop(holding);
  Changed();
}

void ObjectTable::Delete(const ObjectId& id) {
  const auto it = visible_.find(id);
  if (it == visible_.end() || it->second->state != State::kSealed) return;
  // An unsealed object is left alone: its creator is about to seal or abort it.
  KeepFromEviction(*it->second);
  if (it->second->holders == 0) {
    EraseVisible(id);
    Changed();
    return;
  }
  // Somebody still reads the bytes. They stay where they are, but the id is free again.
  auto entry = std::move(it->second);
  visible_.erase(it);
  entry->state = State::kDoomed;
  const Entry* const key = entry.get();
  doomed_.emplace(key, std::move(entry));
}

void ObjectTable::DropClient(StoreClientId client) {
  // The client is taken out first, so that nothing below finds it half gone. Both lists are walked
  // in order of ids: a simulated run with the same seed frees and evicts in the same order.
  auto node = clients_.extract(client);
  if (node.empty()) return;
  for (const ObjectId& id : node.mapped().creating) EraseVisible(id);
  for (const auto& [id, holding] : node.mapped().holdings) Drop(holding);
  Changed();
}

bool ObjectTable::ContainsSealed(const ObjectId& id) const {
  const auto it = visible_.find(id);
  return it != visible_.end() && it->second->state == State::kSealed;
}

std::optional<std::uint64_t> ObjectTable::SizeOf(const ObjectId& id) const {
  const auto it = visible_.find(id);
  if (it == visible_.end()) return std::nullopt;
  return it->second->object.bytes.size();
}

StoreUsage ObjectTable::Usage() const {
  return {.capacity_bytes = capacity_bytes_,
          .used_bytes = used_bytes_,
          .primary_bytes = primary_bytes_,
          .evictable_bytes = evictable_bytes_,
          .object_count = visible_.size()};
}

void ObjectTable::OnEvicted(std::function<void(const ObjectId&)> callback) {
  on_evicted_ = std::move(callback);
}
void ObjectTable::OnChange(std::function<void()> callback) { on_change_ = std::move(callback); }

bool ObjectTable::IsEvictable(const Entry& entry) const {
  return entry.state == State::kSealed && entry.kind == CopyKind::kSecondary && entry.holders == 0;
}

/// Adding is also how a policy learns that the object was used: each last release adds it again.
void ObjectTable::MakeEvictable(Entry& entry) {
  evictable_bytes_ += entry.block_bytes;
  policy_->Add(
      {.id = entry.id, .size_bytes = entry.block_bytes, .created_order = entry.created_order});
}

/// To be called before the first pin, a delete or an eviction makes `IsEvictable` false.
void ObjectTable::KeepFromEviction(Entry& entry) {
  if (!IsEvictable(entry)) return;
  evictable_bytes_ -= entry.block_bytes;
  policy_->Remove(entry.id);
}

//! [let-go]
void ObjectTable::LetGo(Entry& entry) {
  if (--entry.holders > 0) return;
  // No client reads it any more. A deleted object has waited for just this; a secondary copy
  // becomes a candidate for eviction, as the one used last.
  if (entry.state == State::kDoomed) {
    Free(std::move(doomed_.extract(&entry).mapped()));
  } else if (IsEvictable(entry)) {
    MakeEvictable(entry);
  }
}
//! [let-go]

void ObjectTable::Drop(const Holding& holding) {
  for (Entry* entry : holding.earlier) LetGo(*entry);
  LetGo(*holding.entry);
}

void ObjectTable::Free(std::unique_ptr<Entry> entry) {
  used_bytes_ -= entry->block_bytes;
  if (entry->kind == CopyKind::kPrimary) primary_bytes_ -= entry->block_bytes;
  memory_->Free(entry->object);
}

void ObjectTable::EraseVisible(const ObjectId& id) {
  Free(std::move(visible_.extract(id).mapped()));
}

/// Drops the copy that the policy names. \return false when there is none to drop.
bool ObjectTable::EvictOne() {
  const auto victim = policy_->Victim();
  if (!victim) return false;
  const ObjectId id = *victim;
  // The policy only names the victim. The store takes it out of the policy's books itself, so that
  // a policy cannot count an object as gone that is still here.
  KeepFromEviction(*visible_.at(id));
  EraseVisible(id);
  if (on_evicted_) on_evicted_(id);
  return true;
}

/// A client without pins and unsealed objects needs no entry: most drivers are idle most of the
/// time.
void ObjectTable::ForgetIfIdle(StoreClientId client) {
  const auto it = clients_.find(client);
  if (it != clients_.end() && it->second.holdings.empty() && it->second.creating.empty()) {
    clients_.erase(it);
  }
}

void ObjectTable::Changed() {
  if (on_change_) on_change_();
}

void ObjectTable::CheckInvariants() const {
  // Every counter is counted again from the entries, and every pin from both of its sides.
  std::uint64_t used = 0;
  std::uint64_t primary = 0;
  std::uint64_t evictable = 0;
  std::uint64_t holders = 0;
  std::uint64_t creating = 0;
  const auto count = [&](const Entry& entry) {
    used += entry.block_bytes;
    if (entry.kind == CopyKind::kPrimary) primary += entry.block_bytes;
    if (IsEvictable(entry)) evictable += entry.block_bytes;
    holders += entry.holders;
    if (entry.state == State::kCreated) ++creating;
  };
  for (const auto& [id, entry] : visible_) count(*entry);
  for (const auto& [key, entry] : doomed_) {
    Check(entry->state == State::kDoomed, "a doomed entry knows it");
    Check(entry->holders > 0, "a doomed entry is held by somebody");
    count(*entry);
  }
  for (const auto& [id, client] : clients_) {
    creating -= client.creating.size();
    for (const auto& [object, holding] : client.holdings) holders -= 1 + holding.earlier.size();
  }
  Check(used == used_bytes_, "used bytes are the sum of all blocks");
  Check(used <= capacity_bytes_, "the capacity is never exceeded");
  Check(primary == primary_bytes_, "primary bytes are the sum of primary blocks");
  Check(evictable == evictable_bytes_, "evictable bytes are the sum of evictable blocks");
  Check(holders == 0, "every holder of an entry is a holding of a client");
  Check(creating == 0, "every unsealed object belongs to its creator");
  Check(policy_->Victim().has_value() == (evictable > 0), "the policy has exactly the evictable");
}

}  // namespace mobula::object_store
