/// \file
/// \brief Where a node keeps the objects that are too large to travel inline.
///
/// One store a node, inside its raylet. Objects are created with their final size, written once,
/// sealed, and never change after that. The store is bookkeeping plus memory. Waiting for room is
/// the business of create_queue.h; store_service.h brings bytes to other processes, transfer/ to
/// other nodes.
/// Called by: store_service, transfer. Book: \ref ch_objects.
///
///     Create ─► created ──Seal──► sealed ──Delete──► (gone when the last pin goes)
///                  └─Abort or client death─► (gone)      └─evicted if secondary and unpinned
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "components/base/ids.h"
#include "components/base/kinds.h"
#include "components/base/payload.h"
#include "components/base/result.h"
#include "components/object_store/eviction_policy.h"

namespace mobula::object_store {

/// One connected process, as the store tells them apart. 0 is the raylet itself.
using StoreClientId = std::uint64_t;
inline constexpr StoreClientId kRaylet = 0;

/// Primary copies stay until deleted; secondary ones (pulled from elsewhere) may be evicted.
enum class CopyKind : std::uint8_t { kPrimary, kSecondary };

/// Where an object's bytes are.
struct StoredObject {
  std::span<std::byte> bytes;      ///< In this process. Read-only once sealed.
  std::uint64_t arena_offset = 0;  ///< Within the shared arena; 0 and unused for `heap`.
};

/// How full the store is.
struct StoreUsage {
  std::uint64_t capacity_bytes = 0;
  std::uint64_t used_bytes = 0;       ///< Created and sealed, with allocation overhead.
  std::uint64_t primary_bytes = 0;    ///< Part of used that cannot be evicted because primary.
  std::uint64_t evictable_bytes = 0;  ///< Part of used that a `Create` could evict now.
  std::size_t object_count = 0;
};

/// Holds immutable objects within a fixed capacity.
///
/// Threads: the state lock. Lifetime: views stay valid while the object is pinned or unsealed by
/// its creator. Capacity is never exceeded. Cost: no system call per object once memory is warm.
class ObjectStore {
 public:
  /// What makers are given beside the keys of their kind. Every kind has the key `capacity`.
  struct Context {
    const Kinds<EvictionPolicy>& evictions;  ///< What the key `eviction` may name.
  };

  virtual ~ObjectStore() = default;

  //! [object-store-interface]
  /// Makes room (evicting unpinned secondary copies if need be) and gives memory to write. Nothing
  /// is evicted for what does not fit even then.
  /// kAlreadyExists if the id is here; kStoreFull if it does not fit: the message has the
  /// object's size and the store's numbers, and `Usage()` tells whether waiting can help.
  [[nodiscard]] virtual Result<StoredObject> Create(const ObjectId& id, std::uint64_t size_bytes,
                                                    CopyKind kind, StoreClientId creator) = 0;
  /// Ends writing. kNotFound if absent, kInvalidArgument if sealed or created by someone else.
  [[nodiscard]] virtual Result<void> Seal(const ObjectId& id, StoreClientId creator) = 0;
  /// Gives the room of an unsealed object back. Same errors as `Seal`.
  [[nodiscard]] virtual Result<void> Abort(const ObjectId& id, StoreClientId creator) = 0;

  /// Pins a sealed object for `client` (pins count) and touches it for the eviction policy.
  /// \return nullopt if absent, unsealed or deleted.
  [[nodiscard]] virtual std::optional<StoredObject> Get(const ObjectId& id,
                                                        StoreClientId client) = 0;
  /// Undoes one `Get` of this client. Releasing what is not pinned is ignored.
  virtual void Release(const ObjectId& id, StoreClientId client) = 0;
  /// Makes a sealed object invisible now and frees it when the last pin goes. Absent is fine.
  virtual void Delete(const ObjectId& id) = 0;
  /// Aborts what this client had not sealed and drops all its pins; for a process that died.
  virtual void DropClient(StoreClientId client) = 0;
  //! [object-store-interface]

  [[nodiscard]] virtual bool ContainsSealed(const ObjectId& id) const = 0;
  [[nodiscard]] virtual std::optional<std::uint64_t> SizeOf(const ObjectId& id) const = 0;
  [[nodiscard]] virtual StoreUsage Usage() const = 0;
  /// Tells of every sealed secondary copy that was evicted, so that its owner looks for it here no
  /// more (raylet/object_owners.h). Runs inside `Create`, so it must not call the store.
  virtual void OnEvicted(std::function<void(const ObjectId&)> callback) = 0;
  /// Tells that something a waiter may wait for happened: an object was sealed, or room appeared.
  /// Runs inside the call that caused it, so it must not call the store.
  virtual void OnChange(std::function<void()> callback) = 0;
  /// \return the memfd behind the arena for processes to map, or -1 if bytes travel by message.
  [[nodiscard]] virtual int SharedDescriptor() const = 0;
  /// \return "heap", "shared_memory".
  [[nodiscard]] virtual std::string_view Name() const = 0;
  /// Aborts the process if the numbers do not add up; simulation calls it after every event.
  virtual void CheckInvariants() const = 0;
};

}  // namespace mobula::object_store
