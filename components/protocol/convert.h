/// \file
/// \edge
/// \brief Between the messages of common.proto and the vocabulary of base.
#pragma once

#include <string>
#include <string_view>

#include "components/base/result.h"
#include "components/protocol/common.pb.h"
#include "mobula/scheduling_strategy.h"

namespace mobula::protocol {

/// An error as a value of a message, with where it happened if it was inside a task.
[[nodiscard]] Failure ToMessage(const Error& error);
/// \return the error that `failure` says. A code of a newer version reads as it stands.
[[nodiscard]] Error FromMessage(const Failure& failure);

[[nodiscard]] SchedulingStrategy ToMessage(const mobula::SchedulingStrategy& strategy);
/// \return the strategy that `message` says. kInvalidArgument on a kind that is not known here, and
///         on a node id of the wrong length.
[[nodiscard]] Result<mobula::SchedulingStrategy> FromMessage(const SchedulingStrategy& message);

/// \return the endpoint at which a process of node `from` reaches `address`: the local one if both
///         are on one node.
[[nodiscard]] std::string EndpointFor(const Address& address, std::string_view from_node_binary);

}  // namespace mobula::protocol
