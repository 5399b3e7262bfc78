#include "components/core_worker/status_codec.h"

namespace mobula::core_worker {

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

Stored ToMessage(const InStore& stored) {
  Stored message;
  message.set_size_bytes(stored.size_bytes);
  for (const auto& [node, endpoint] : stored.copies) {
    Copy* copy = message.add_copies();
    copy->set_node_id(std::string(node.Binary()));
    copy->set_raylet_endpoint(endpoint);
  }
  return message;
}

InStore FromMessage(const Stored& message) {
  InStore stored{.size_bytes = message.size_bytes(), .copies = {}};
  for (const Copy& copy : message.copies()) {
    stored.copies.emplace(NodeId::FromBinaryOrNil(copy.node_id()), copy.raylet_endpoint());
  }
  return stored;
}

void ToMessage(const ObjectId& id, const ObjectState& state, ObjectStatus* status) {
  status->set_id(std::string(id.Binary()));
  if (const auto* value = std::get_if<Payload>(&state)) {
    status->set_inline_value(std::string(value->text()));
  } else if (const auto* stored = std::get_if<InStore>(&state)) {
    *status->mutable_stored() = ToMessage(*stored);
  } else if (const auto* error = std::get_if<Error>(&state)) {
    *status->mutable_failure() = ToMessage(*error);
  } else {
    status->set_pending(true);
  }
}

ObjectState FromMessage(ObjectStatus status) {
  switch (status.state_case()) {
    case ObjectStatus::kInlineValue:
      return Payload::FromString(std::move(*status.mutable_inline_value()));
    case ObjectStatus::kStored: return FromMessage(status.stored());
    case ObjectStatus::kFailure: return FromMessage(status.failure());
    case ObjectStatus::kPending:
    case ObjectStatus::STATE_NOT_SET: return Pending{};
  }
  return Pending{};
}

std::string EndpointFor(const Address& address, std::string_view from_node_binary) {
  const bool is_local = address.node_id() == from_node_binary && !address.local_endpoint().empty();
  return is_local ? address.local_endpoint() : address.endpoint();
}

}  // namespace mobula::core_worker
