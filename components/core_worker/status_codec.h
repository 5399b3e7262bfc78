/// \file
/// \brief Errors and object states as messages of worker.proto, and back.
#pragma once

#include "components/base/result.h"
#include "components/core_worker/references.h"
#include "components/core_worker/worker.pb.h"

namespace mobula::core_worker {

[[nodiscard]] Failure ToMessage(const Error& error);
[[nodiscard]] Error FromMessage(const Failure& failure);
[[nodiscard]] Stored ToMessage(const InStore& stored);
[[nodiscard]] InStore FromMessage(const Stored& stored);
/// Fills `status`; `Pending` sets its flag.
void ToMessage(const ObjectId& id, const ObjectState& state, ObjectStatus* status);
[[nodiscard]] ObjectState FromMessage(ObjectStatus status);

/// \return the endpoint at which a process of node `from` reaches `address`.
[[nodiscard]] std::string EndpointFor(const Address& address, std::string_view from_node_binary);

}  // namespace mobula::core_worker
