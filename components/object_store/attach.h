/// \file
/// \edge
/// \brief How a worker or driver gets its `StoreClient`.
#pragma once

#include <memory>

#include "components/object_store/store_client.h"
#include "components/transport/rpc/client.h"

namespace mobula::object_store {

/// Attaches this process to the store of its node over its connection to the raylet. The store says
/// which kind it is: `mapped` when it has an arena and the connection passes descriptors (unix),
/// else `message`.
///
/// The client lives as long as the connection: if `raylet` connects anew, its calls fail with
/// kInvalidArgument until attached again, and what it had pinned is pinned no more. (A worker ends
/// with its raylet anyway.) `done` runs once on the loop. Errors: those of the call; kInternal when
/// the arena cannot be mapped.
/// \pre loop and `raylet` outlive the client.
void AttachStore(EventLoop& loop, rpc::Client& raylet, Done<std::unique_ptr<StoreClient>> done);

}  // namespace mobula::object_store
