/// \file
/// \brief Errors and object states as messages of worker.proto, and back.
#pragma once

#include "components/base/result.h"
#include "components/core_worker/references.h"
#include "components/core_worker/worker.pb.h"

namespace mobula::core_worker {

/// Inline values of one message are at most this much together, far below the frame's bound;
/// what is beyond travels through the store or is asked for by reference.
inline constexpr std::size_t kInlineBytesPerMessage = 2U << 20;
/// One task, or the result of one, takes at most this much of a message. With the above, a message
/// stays below the frame's bound.
inline constexpr std::size_t kTaskBytesMax = 5U << 20;

[[nodiscard]] Failure ToMessage(const Error& error);
[[nodiscard]] Error FromMessage(const Failure& failure);
[[nodiscard]] Stored ToMessage(const InStore& stored);
[[nodiscard]] InStore FromMessage(const Stored& message);
/// Fills `status`; `Pending` sets its flag.
void ToMessage(const ObjectId& id, const ObjectState& state, ObjectStatus* status);
[[nodiscard]] ObjectState FromMessage(ObjectStatus status);

/// \return the endpoint at which a process of node `from` reaches `address`.
[[nodiscard]] std::string EndpointFor(const Address& address, std::string_view from_node_binary);

}  // namespace mobula::core_worker
