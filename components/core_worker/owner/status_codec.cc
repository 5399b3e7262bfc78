#include "components/core_worker/owner/status_codec.h"

#include "components/protocol/convert.h"
#include "components/protocol/owner.pb.h"

namespace mobula::core_worker {

protocol::Stored ToMessage(const InStore& stored) {
  protocol::Stored message;
  message.set_size_bytes(stored.size_bytes);
  for (const auto& [node, endpoint] : stored.copies) {
    protocol::Copy* copy = message.add_copies();
    copy->set_node_id(std::string(node.Binary()));
    copy->set_raylet_endpoint(endpoint);
  }
  return message;
}

InStore FromMessage(const protocol::Stored& message) {
  InStore stored{.size_bytes = message.size_bytes(), .copies = {}};
  for (const protocol::Copy& copy : message.copies()) {
    stored.copies.emplace(NodeId::FromBinaryOrNil(copy.node_id()), copy.raylet_endpoint());
  }
  return stored;
}

void ToMessage(const ObjectId& id, const ObjectState& state, protocol::ObjectStatus* status) {
  status->set_id(std::string(id.Binary()));
  if (const auto* value = std::get_if<Payload>(&state)) {
    status->set_inline_value(std::string(value->text()));
  } else if (const auto* stored = std::get_if<InStore>(&state)) {
    *status->mutable_stored() = ToMessage(*stored);
  } else if (const auto* error = std::get_if<Error>(&state)) {
    *status->mutable_failure() = protocol::ToMessage(*error);
  } else {
    // Said in so many words: a status that is empty would be read as one by mistake.
    status->set_pending(true);
  }
}

ObjectState FromMessage(protocol::ObjectStatus status) {
  switch (status.state_case()) {
    case protocol::ObjectStatus::kInlineValue:
      return Payload::FromString(std::move(*status.mutable_inline_value()));
    case protocol::ObjectStatus::kStored: return FromMessage(status.stored());
    case protocol::ObjectStatus::kFailure: return protocol::FromMessage(status.failure());
    case protocol::ObjectStatus::kPending:
    case protocol::ObjectStatus::STATE_NOT_SET: return Pending{};
  }
  return Pending{};
}

}  // namespace mobula::core_worker
