#include "components/object_store/client/message_store_client.h"

#include "components/object_store/client/calls.h"

namespace mobula::object_store {

MessageStoreClient::MessageStoreClient(EventLoop& loop, rpc::Client& raylet,
                                       std::uint64_t capacity_bytes)
    : raylet_(raylet), capacity_bytes_(capacity_bytes), gets_(loop) {
  dropped_ =
      std::make_shared<BatchedReleases>(loop, alive_.Bind([this](const std::vector<ObjectId>& ids) {
        for (const ObjectId& id : ids) gets_.Forget(id);
      }));
}

MessageStoreClient::~MessageStoreClient() { dropped_->Stop(); }

void MessageStoreClient::Create(const ObjectId& id, std::uint64_t size_bytes,
                                Done<WritablePayload> done) {
  CallCreate(raylet_, id, size_bytes,
             alive_.Bind([this, id, size_bytes, done = std::move(done)](
                             const Result<protocol::CreateObjectReply>& reply) mutable {
               if (!reply) return done(Fail(reply.error()));
               // The room is reserved there; the bytes are gathered here and travel with `Seal`.
               const auto memory = WritablePayload::Allocate(size_bytes);
               writing_.insert_or_assign(id, memory);
               done(memory);
             }));
}

void MessageStoreClient::Seal(const ObjectId& id, Done<void> done) {
  const auto object = writing_.extract(id);
  // An object that was not created here goes to the store without bytes, which answers kNotFound.
  CallSeal(raylet_, id, object.empty() ? Payload() : object.mapped().Freeze(),
           alive_.Bind(std::move(done)));
}

void MessageStoreClient::Abort(const ObjectId& id) {
  // Our buffer goes at once; the store's room when the message has come.
  writing_.erase(id);
  NotifyAbort(raylet_, id);
}

void MessageStoreClient::Get(const ObjectId& id, const ObjectHint& hint, Done<Payload> done) {
  // A view of it may be in use here, or on its way: its bytes are not fetched a second time then.
  if (!gets_.Join(id, std::move(done))) return;
  rpc::CallOptions options;
  options.timeout = kNoDeadline;
  options.place_attachment = [](std::uint64_t bytes) -> Result<WritablePayload> {
    return WritablePayload::Allocate(bytes);
  };
  raylet_.CallRaw(
      protocol::kGetObject, MakeGetRequest(id, hint).SerializeAsString(), std::move(options),
      alive_.Bind([this, id](Result<rpc::RawReply> raw) {
        Payload bytes = raw ? raw->attachment : Payload();
        const auto reply =
            rpc::Peer::Parse<protocol::GetObjectReply>(protocol::kGetObject, std::move(raw));
        if (!reply) return gets_.Finish(id, Fail(reply.error()));
        if (reply->size_bytes() != bytes.size()) {
          return gets_.Finish(id, Fail(ErrorCode::kCorrupt, "object {} has {} bytes, {} came",
                                       id.Short(), reply->size_bytes(), bytes.size()));
        }
        // The raylet holds no pin for us. The token only tells when our own copy is not used any
        // more.
        gets_.Finish(id, Payload(dropped_->MakePin(id, bytes.keep()), bytes.bytes()));
      }));
}

}  // namespace mobula::object_store
