#include "components/protocol/convert.h"

namespace mobula::protocol {

Failure ToMessage(const Error& error) {
  Failure failure;
  failure.set_code(static_cast<std::uint32_t>(error.code()));
  failure.set_message(error.message());
  if (const RemoteFailure* remote = error.remote()) {
    failure.set_task_name(remote->task_name);
    failure.set_type_name(remote->type_name);
    failure.set_node_id(remote->node_id);
    failure.set_pid(remote->pid);
  }
  return failure;
}

Error FromMessage(const Failure& failure) {
  Error error(static_cast<ErrorCode>(failure.code()), failure.message());
  if (failure.task_name().empty() && failure.node_id().empty()) return error;
  return std::move(error).WithRemote({.task_name = failure.task_name(),
                                      .type_name = failure.type_name(),
                                      .node_id = failure.node_id(),
                                      .pid = failure.pid()});
}

SchedulingStrategy ToMessage(const mobula::SchedulingStrategy& strategy) {
  SchedulingStrategy message;
  if (const auto* on = std::get_if<OnNode>(&strategy)) {
    message.mutable_on_node()->set_node_id(std::string(on->node.Binary()));
    message.mutable_on_node()->set_soft(on->soft);
  } else if (std::holds_alternative<Spread>(strategy)) {
    message.mutable_spread();
  } else {
    message.mutable_default_();
  }
  return message;
}

Result<mobula::SchedulingStrategy> FromMessage(const SchedulingStrategy& message) {
  switch (message.kind_case()) {
    case SchedulingStrategy::kDefault: return DefaultScheduling{};
    case SchedulingStrategy::kSpread: return Spread{};
    case SchedulingStrategy::kOnNode: {
      const Result<NodeId> node = NodeId::FromBinary(message.on_node().node_id());
      if (!node) return Fail(Error(node.error()).Context("scheduling strategy"));
      return OnNode{.node = *node, .soft = message.on_node().soft()};
    }
    case SchedulingStrategy::KIND_NOT_SET: break;
  }
  return Fail(ErrorCode::kInvalidArgument, "the scheduling strategy is of no kind known here");
}

std::string EndpointFor(const Address& address, std::string_view from_node_binary) {
  const bool is_local = address.node_id() == from_node_binary && !address.local_endpoint().empty();
  return is_local ? address.local_endpoint() : address.endpoint();
}

}  // namespace mobula::protocol
