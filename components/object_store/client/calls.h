/// \file
/// \brief The store's calls as both kinds of client make them.
#pragma once

#include "components/base/lifetime.h"
#include "components/object_store/store_client.h"
#include "components/protocol/object_store_methods.h"
#include "components/transport/rpc/client.h"

namespace mobula::object_store {

/// The store decides how long a call waits, and it ends with the connection: no deadline of ours,
/// so that no pin is ever granted to somebody who has stopped listening.
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
