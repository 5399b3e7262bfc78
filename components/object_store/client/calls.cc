#include "components/object_store/client/calls.h"

namespace mobula::object_store {

protocol::GetObjectRequest MakeGetRequest(const ObjectId& id, const ObjectHint& hint) {
  protocol::GetObjectRequest request;
  request.set_id(std::string(id.Binary()));
  // The store may not have the object. These nodes have, as its owner said, and are asked for a
  // copy.
  for (const std::string& endpoint : hint.raylet_endpoints) request.add_raylet_endpoints(endpoint);
  request.set_owner(hint.owner);
  return request;
}

void CallCreate(rpc::Client& raylet, const ObjectId& id, std::uint64_t size_bytes,
                Done<protocol::CreateObjectReply> done) {
  protocol::CreateObjectRequest request;
  request.set_id(std::string(id.Binary()));
  request.set_size_bytes(size_bytes);
  // It may wait for room for as long as the store allows, so there is no deadline on this side.
  raylet.Call(protocol::kCreateObject, request, std::move(done), {.timeout = kNoDeadline});
}

void CallSeal(rpc::Client& raylet, const ObjectId& id, Payload bytes, Done<void> done) {
  protocol::SealObjectRequest request;
  request.set_id(std::string(id.Binary()));
  raylet.Call(
      protocol::kSealObject, request,
      [&raylet, id, done = std::move(done)](Result<protocol::SealObjectReply> reply) mutable {
        if (reply) return done({});
        // It will not be sealed any more, so its room must not stay taken until this process ends.
        NotifyAbort(raylet, id);
        done(Fail(std::move(reply.error())));
      },
      {.timeout = kNoDeadline, .attachment = std::move(bytes)});
}

void NotifyAbort(rpc::Client& raylet, const ObjectId& id) {
  protocol::AbortObjectRequest request;
  request.set_id(std::string(id.Binary()));
  raylet.Notify(protocol::kAbortObject, request);
}

}  // namespace mobula::object_store
