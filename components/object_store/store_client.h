/// \file
/// \brief The store as another process of the node sees it.
///
/// A worker or driver creates, seals and reads objects of its node's store through this. Kinds:
/// `mapped` (the shared arena is mapped twice: read-only for views, and writable for what is being
/// created, which only the runtime writes) and `message` (bytes travel as attachments). Which one
/// is the store's choice, told at registration. A later kind reads sealed objects from the arena
/// without any message.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/ids.h"
#include "components/base/payload.h"
#include "components/base/result.h"

namespace mobula::object_store {

/// What is known about where an object is, for one that is not local.
struct ObjectHint {
  std::vector<std::string> raylet_endpoints;  ///< Nodes with a copy, any order; may be stale.
  /// An encoded protocol::Address: told when the copy that is made here goes. Empty: nobody is.
  std::string owner{};
};

/// Threads: the state lock; the payloads may be used and dropped by any thread.
/// Lifetime: payloads keep their memory valid after the client is gone.
class StoreClient {
 public:
  virtual ~StoreClient() = default;

  /// Reserves memory to write an object into. Waits for room up to the store's `create_wait_max`.
  /// kStoreFull with the numbers; kAlreadyExists; kUnavailable if the raylet is gone.
  virtual void Create(const ObjectId& id, std::uint64_t size_bytes, Done<WritablePayload> done) = 0;
  /// Makes a created object visible as a primary copy. The writable memory must not be touched
  /// after this call. kNotFound if it was not created here; kUnavailable if the raylet is gone.
  virtual void Seal(const ObjectId& id, Done<void> done) = 0;
  /// Gives the room of a created object back instead; it can be created again.
  virtual void Abort(const ObjectId& id) = 0;

  /// Gives a pinned view, pulling the object from another node first if need be. It stays pinned
  /// until the last copy of the payload is dropped.
  /// kNotFound if no node of the hint has it (any more): the owner decides what that means;
  /// kStoreFull if it does not fit here; kUnavailable if the raylet is gone.
  virtual void Get(const ObjectId& id, const ObjectHint& hint, Done<Payload> done) = 0;
  /// \return what the store holds at most: a larger object can never be created.
  [[nodiscard]] virtual std::uint64_t capacity_bytes() const = 0;
  [[nodiscard]] virtual std::string_view Name() const = 0;
};

}  // namespace mobula::object_store
