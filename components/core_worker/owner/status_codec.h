/// \file
/// \edge
/// \brief Object states as messages of owner.proto, and back.
#pragma once

#include "components/base/result.h"
#include "components/core_worker/owner/references.h"
#include "components/protocol/owner.pb.h"

namespace mobula::core_worker {

/// Inline values of one message are at most this much together, far below the frame's bound;
/// what is beyond travels through the store or is asked for by reference.
inline constexpr std::size_t kInlineBytesPerMessage = 2U << 20;
/// One task, or the result of one, takes at most this much of a message. With the above, a message
/// stays below the frame's bound.
inline constexpr std::size_t kTaskBytesMax = 5U << 20;

[[nodiscard]] protocol::Stored ToMessage(const InStore& stored);
[[nodiscard]] InStore FromMessage(const protocol::Stored& message);
/// Fills `status`; `Pending` sets its flag.
void ToMessage(const ObjectId& id, const ObjectState& state, protocol::ObjectStatus* status);
[[nodiscard]] ObjectState FromMessage(protocol::ObjectStatus status);

}  // namespace mobula::core_worker
