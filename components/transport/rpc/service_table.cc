#include "components/transport/rpc/service_table.h"

#include "components/base/check.h"
#include "components/transport/rpc/error_codec.h"
#include "components/transport/rpc/peer.h"

namespace mobula::transport::rpc {

Responder::Responder(Responder&& other) noexcept
    : peer_(other.peer_),
      peer_alive_(std::move(other.peer_alive_)),
      call_id_(std::exchange(other.call_id_, 0)) {}

Responder& Responder::operator=(Responder&& other) noexcept {
  // Swapped, so that `other` answers on its destruction what this one had still to answer.
  std::swap(peer_, other.peer_);
  std::swap(peer_alive_, other.peer_alive_);
  std::swap(call_id_, other.call_id_);
  return *this;
}

Responder::~Responder() {
  // A handler that forgets its responder, or dies with it, must not leave the caller waiting.
  if (!IsAbandoned()) {
    SendError(Error(ErrorCode::kCancelled, "the server dropped the call without an answer"));
  }
}

void Responder::SendRaw(std::string body, Payload attachment, int descriptor) {
  Answer(FrameKind::kReply, std::move(body), std::move(attachment), descriptor);
}

void Responder::SendError(const Error& error) {
  // An error to a caller that has gone would be encoded for nobody.
  if (!IsAbandoned()) Answer(FrameKind::kError, EncodeError(error), {}, -1);
}

bool Responder::IsAbandoned() const {
  return call_id_ == 0 || peer_alive_.expired() || !peer_->incoming_.contains(call_id_);
}

void Responder::Answer(FrameKind kind, std::string body, Payload attachment, int descriptor) {
  // Once: whatever is sent later, or on destruction, finds no call.
  const std::uint64_t call = std::exchange(call_id_, 0);
  if (call == 0 || peer_alive_.expired()) return;
  peer_->Answer(kind, call, std::move(body), std::move(attachment), descriptor);
}

void ServiceTable::AddRaw(Entry entry) {
  const std::uint32_t id = entry.info.id;
  const bool added = entries_.emplace(id, std::move(entry)).second;
  // The number says which handler a frame is for, so it must mean one method only.
  Check(added, "two handlers were added for one method");
}

const ServiceTable::Entry* ServiceTable::Find(std::uint32_t method) const {
  const auto it = entries_.find(method);
  return it == entries_.end() ? nullptr : &it->second;
}

}  // namespace mobula::transport::rpc
