#include "tests/conformance/object_store/store_checks.h"

#include <fmt/core.h>

#include <algorithm>

#include "tests/conformance/object_store/store_model.h"

namespace mobula::object_store::conformance {
namespace {

constexpr std::uint64_t kBlock = 64;
constexpr StoreClientId kAnna = 1;
constexpr StoreClientId kBert = 2;

ObjectId IdOf(int n) { return ObjectId::OfTask(TaskId(), static_cast<std::uint32_t>(n)); }

Violation Unless(bool kept, std::string promise) {
  return kept ? Violation() : Violation(std::move(promise));
}

/// Creates and seals. \return whether both worked.
bool Put(ObjectStore& store, int n, std::uint64_t size, CopyKind kind,
         StoreClientId client = kAnna) {
  auto object = store.Create(IdOf(n), size, kind, client);
  if (!object) return false;
  std::ranges::fill(object->bytes, std::byte(n));
  return store.Seal(IdOf(n), client).has_value();
}

bool Holds(const std::optional<StoredObject>& object, int n, std::uint64_t size) {
  if (!object || object->bytes.size() != size) return false;
  return std::ranges::all_of(object->bytes, [n](std::byte b) { return b == std::byte(n); });
}

template <typename T>
bool FailedWith(const Result<T>& result, ErrorCode code) {
  return !result && result.error().code() == code;
}

Violation SealedObjectsHaveTheBytesWritten(const StoreFactory& make) {
  const auto store = make(1024);
  for (int n = 1; n <= 3; ++n) {
    if (!Put(*store, n, 100, CopyKind::kPrimary)) return "an object that fits can be created";
  }
  if (!Put(*store, 4, 0, CopyKind::kPrimary)) return "an empty object can be created";
  for (int n = 1; n <= 3; ++n) {
    if (!Holds(store->Get(IdOf(n), kBert), n, 100)) return "Get gives the bytes that were sealed";
  }
  store->CheckInvariants();
  return Unless(Holds(store->Get(IdOf(4), kBert), 4, 0), "an empty object can be read");
}

Violation UnsealedObjectsAreInvisible(const StoreFactory& make) {
  const auto store = make(1024);
  (void)store->Create(IdOf(1), 10, CopyKind::kPrimary, kAnna);
  if (store->Get(IdOf(1), kAnna)) return "an unsealed object cannot be read, not even by its maker";
  if (store->ContainsSealed(IdOf(1))) return "ContainsSealed is false before Seal";
  store->Delete(IdOf(1));
  if (store->SizeOf(IdOf(1)) != 10) return "Delete leaves an unsealed object alone";
  return Unless(store->Seal(IdOf(1), kAnna) && store->ContainsSealed(IdOf(1)),
                "ContainsSealed is true after Seal");
}

Violation OnlyTheCreatorSealsAndOnce(const StoreFactory& make) {
  const auto store = make(1024);
  if (!FailedWith(store->Seal(IdOf(1), kAnna), ErrorCode::kNotFound)) return "Seal of nothing";
  (void)store->Create(IdOf(1), 10, CopyKind::kPrimary, kAnna);
  if (!FailedWith(store->Create(IdOf(1), 10, CopyKind::kPrimary, kBert),
                  ErrorCode::kAlreadyExists)) {
    return "an id is created once";
  }
  if (!FailedWith(store->Seal(IdOf(1), kBert), ErrorCode::kInvalidArgument)) return "Seal by Bert";
  if (!FailedWith(store->Abort(IdOf(1), kBert), ErrorCode::kInvalidArgument)) {
    return "Abort by Bert";
  }
  if (!store->Seal(IdOf(1), kAnna)) return "Seal by its creator";
  if (!FailedWith(store->Seal(IdOf(1), kAnna), ErrorCode::kInvalidArgument)) return "second Seal";
  return Unless(FailedWith(store->Abort(IdOf(1), kAnna), ErrorCode::kInvalidArgument),
                "a sealed object cannot be aborted");
}

Violation AbortGivesTheRoomBack(const StoreFactory& make) {
  const auto store = make(10 * kBlock);
  for (int i = 0; i < 20; ++i) {
    if (!store->Create(IdOf(1), 10 * kBlock, CopyKind::kPrimary, kAnna)) return "room after Abort";
    if (!store->Abort(IdOf(1), kAnna)) return "Abort by the creator works";
  }
  return Unless(store->Usage().used_bytes == 0, "nothing is used after Abort");
}

Violation CapacityIsNeverExceeded(const StoreFactory& make) {
  const auto store = make(10 * kBlock);
  if (!FailedWith(store->Create(IdOf(99), 10 * kBlock + 1, CopyKind::kPrimary, kAnna),
                  ErrorCode::kStoreFull)) {
    return "an object larger than the store is refused";
  }
  for (int n = 1; n <= 10; ++n) {
    if (!Put(*store, n, kBlock, CopyKind::kPrimary)) return "the whole capacity can be used";
  }
  const auto more = store->Create(IdOf(11), 1, CopyKind::kPrimary, kAnna);
  if (!FailedWith(more, ErrorCode::kStoreFull)) return "a full store refuses";
  if (!more.error().message().contains("1 B")) return "the refusal names the size";
  return Unless(store->Usage().used_bytes <= store->Usage().capacity_bytes, "used <= capacity");
}

Violation PrimaryCopiesAreNeverEvicted(const StoreFactory& make) {
  const auto store = make(4 * kBlock);
  for (int n = 1; n <= 4; ++n) (void)Put(*store, n, kBlock, CopyKind::kPrimary);
  (void)store->Create(IdOf(5), kBlock, CopyKind::kPrimary, kAnna);
  for (int n = 1; n <= 4; ++n) {
    if (!store->ContainsSealed(IdOf(n))) return fmt::format("primary object {} was evicted", n);
  }
  return {};
}

Violation PinnedCopiesAreNeverEvicted(const StoreFactory& make) {
  const auto store = make(2 * kBlock);
  (void)Put(*store, 1, kBlock, CopyKind::kSecondary);
  (void)Put(*store, 2, kBlock, CopyKind::kSecondary);
  const auto pinned = store->Get(IdOf(1), kBert);
  if (!Put(*store, 3, kBlock, CopyKind::kPrimary)) return "an unpinned copy is evicted for room";
  if (!store->ContainsSealed(IdOf(1))) return "a pinned copy was evicted";
  if (!Holds(pinned, 1, kBlock)) return "the bytes of a pinned copy changed";
  if (store->Create(IdOf(4), kBlock, CopyKind::kPrimary, kAnna)) return "room was made of nothing";
  store->Release(IdOf(1), kBert);
  return Unless(Put(*store, 4, kBlock, CopyKind::kPrimary), "the last release makes evictable");
}

Violation TheLeastRecentlyUsedGoesFirst(const StoreFactory& make) {
  const auto store = make(3 * kBlock);
  std::vector<ObjectId> evicted;
  store->OnEvicted([&](const ObjectId& id) { evicted.push_back(id); });
  for (int n = 1; n <= 3; ++n) (void)Put(*store, n, kBlock, CopyKind::kSecondary);
  (void)store->Get(IdOf(1), kBert);
  store->Release(IdOf(1), kBert);
  (void)Put(*store, 4, kBlock, CopyKind::kSecondary);
  (void)Put(*store, 5, kBlock, CopyKind::kSecondary);
  (void)Put(*store, 6, kBlock, CopyKind::kSecondary);
  return Unless(evicted == std::vector{IdOf(2), IdOf(3), IdOf(1)}, "use decides who goes first");
}

Violation NothingIsEvictedInVain(const StoreFactory& make) {
  const auto store = make(4 * kBlock);
  (void)Put(*store, 1, 3 * kBlock, CopyKind::kPrimary);
  (void)Put(*store, 2, kBlock, CopyKind::kSecondary);
  (void)store->Create(IdOf(3), 2 * kBlock, CopyKind::kPrimary, kAnna);
  return Unless(store->ContainsSealed(IdOf(2)), "a Create that cannot succeed evicts nothing");
}

Violation DeleteWaitsForTheLastPin(const StoreFactory& make) {
  const auto store = make(2 * kBlock);
  (void)Put(*store, 1, kBlock, CopyKind::kPrimary);
  const auto view = store->Get(IdOf(1), kAnna);
  (void)store->Get(IdOf(1), kAnna);
  (void)store->Get(IdOf(1), kBert);
  store->Delete(IdOf(1));
  if (store->ContainsSealed(IdOf(1)) || store->Get(IdOf(1), kBert)) return "deleted is invisible";
  if (!Put(*store, 1, kBlock, CopyKind::kPrimary)) return "a deleted id can be made again at once";
  if (store->Usage().used_bytes != 2 * kBlock) return "the old bytes are still accounted";
  store->Delete(IdOf(1));
  store->Release(IdOf(1), kAnna);
  store->Release(IdOf(1), kBert);
  if (!Put(*store, 2, kBlock, CopyKind::kPrimary)) return "an unpinned deleted object is freed";
  if (!Holds(view, 1, kBlock)) return "pins count: one Release of two Gets kept the bytes";
  store->CheckInvariants();
  store->Release(IdOf(1), kAnna);
  return Unless(store->Usage().used_bytes == kBlock, "the last pin frees a deleted object");
}

Violation ReleasingWhatIsNotPinnedIsIgnored(const StoreFactory& make) {
  const auto store = make(2 * kBlock);
  store->Release(IdOf(1), kAnna);
  (void)Put(*store, 1, kBlock, CopyKind::kPrimary);
  const auto view = store->Get(IdOf(1), kAnna);
  store->Release(IdOf(1), kBert);
  store->Delete(IdOf(1));
  store->Delete(IdOf(7));
  return Unless(store->Usage().used_bytes == kBlock && Holds(view, 1, kBlock),
                "another client's release does not unpin");
}

Violation ADeadClientLeavesNothingBehind(const StoreFactory& make) {
  const auto store = make(4 * kBlock);
  (void)Put(*store, 1, kBlock, CopyKind::kPrimary, kBert);
  (void)Put(*store, 2, kBlock, CopyKind::kSecondary, kBert);
  (void)store->Create(IdOf(3), kBlock, CopyKind::kPrimary, kAnna);
  for (int i = 0; i < 3; ++i) (void)store->Get(IdOf(1), kAnna);
  (void)store->Get(IdOf(2), kAnna);
  store->DropClient(kAnna);
  store->CheckInvariants();
  if (store->SizeOf(IdOf(3))) return "its unsealed objects are aborted";
  if (store->Usage().evictable_bytes != kBlock) return "its pins are dropped";
  store->Delete(IdOf(1));
  store->Delete(IdOf(2));
  store->DropClient(kAnna);
  return Unless(store->Usage().used_bytes == 0, "all room comes back");
}

Violation ChangesAreTold(const StoreFactory& make) {
  const auto store = make(4 * kBlock);
  int changes = 0;
  store->OnChange([&] { ++changes; });
  const auto told = [&] { return std::exchange(changes, 0) > 0; };
  (void)store->Create(IdOf(1), 1, CopyKind::kSecondary, kAnna);
  changes = 0;
  (void)store->Seal(IdOf(1), kAnna);
  if (!told()) return "a seal is told";
  (void)store->Get(IdOf(1), kAnna);
  changes = 0;
  store->Release(IdOf(1), kAnna);
  if (!told()) return "a last release is told";
  store->Delete(IdOf(1));
  if (!told()) return "a delete is told";
  (void)store->Create(IdOf(2), 1, CopyKind::kPrimary, kAnna);
  (void)store->Abort(IdOf(2), kAnna);
  if (!told()) return "an abort is told";
  (void)store->Create(IdOf(3), 1, CopyKind::kPrimary, kAnna);
  changes = 0;
  store->DropClient(kAnna);
  return Unless(told(), "a death is told");
}

Violation BehavesLikeTheModel(const StoreFactory& make) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    if (auto violation = RunAgainstModel(make, seed)) {
      return fmt::format("seed {}: {}", seed, *violation);
    }
  }
  return {};
}

}  // namespace

const std::vector<StoreCheck>& StoreChecks() {
  static const std::vector<StoreCheck> checks = {
      {"SealedObjectsHaveTheBytesWritten", "Pins a sealed object for `client`",
       SealedObjectsHaveTheBytesWritten},
      {"UnsealedObjectsAreInvisible", "nullopt if absent, unsealed or deleted.",
       UnsealedObjectsAreInvisible},
      {"OnlyTheCreatorSealsAndOnce",
       "kNotFound if absent, kInvalidArgument if sealed or created by someone else.",
       OnlyTheCreatorSealsAndOnce},
      {"AbortGivesTheRoomBack", "Gives the room of an unsealed object back.",
       AbortGivesTheRoomBack},
      {"CapacityIsNeverExceeded", "Capacity is never exceeded.", CapacityIsNeverExceeded},
      {"PrimaryCopiesAreNeverEvicted", "Primary copies stay until deleted;",
       PrimaryCopiesAreNeverEvicted},
      {"PinnedCopiesAreNeverEvicted", "Makes room (evicting unpinned secondary copies if need be)",
       PinnedCopiesAreNeverEvicted},
      {"TheLeastRecentlyUsedGoesFirst", "touches it for the eviction policy.",
       TheLeastRecentlyUsedGoesFirst},
      {"NothingIsEvictedInVain", "Nothing is evicted for what does not fit even then.",
       NothingIsEvictedInVain},
      {"DeleteWaitsForTheLastPin",
       "Makes a sealed object invisible now and frees it when the last pin goes.",
       DeleteWaitsForTheLastPin},
      {"ReleasingWhatIsNotPinnedIsIgnored", "Releasing what is not pinned is ignored.",
       ReleasingWhatIsNotPinnedIsIgnored},
      {"ADeadClientLeavesNothingBehind",
       "Aborts what this client had not sealed and drops all its pins;",
       ADeadClientLeavesNothingBehind},
      {"ChangesAreTold", "Tells that something a waiter may wait for happened:", ChangesAreTold},
      {"BehavesLikeTheModel", "Holds immutable objects within a fixed capacity.",
       BehavesLikeTheModel},
  };
  return checks;
}

}  // namespace mobula::object_store::conformance
