/// \file
/// \edge
/// \brief The store's calls as both kinds of client make them.
#pragma once

#include "components/base/lifetime.h"
#include "components/object_store/store_client.h"
#include "components/protocol/object_store_methods.h"
#include "components/transport/rpc/client.h"

namespace mobula::object_store {

/// A call to the store has no deadline of its own: the store decides how long it waits, and it ends
/// with the connection. With a deadline, the store could grant a pin to a caller that had given up.
inline constexpr Duration kNoDeadline{-1};

/// \return the request of a `Get`.
[[nodiscard]] protocol::GetObjectRequest MakeGetRequest(const ObjectId& id, const ObjectHint& hint);

/// Asks to create. `done` gets where in the arena.
void CallCreate(rpc::Client& raylet, const ObjectId& id, std::uint64_t size_bytes,
                Done<protocol::CreateObjectReply> done);
/// Asks to seal, with the bytes if they travel by message; aborts the object when that fails.
void CallSeal(rpc::Client& raylet, const ObjectId& id, Payload bytes, Done<void> done);
/// Tells that a created object will not be sealed.
void NotifyAbort(rpc::Client& raylet, const ObjectId& id);

}  // namespace mobula::object_store
