#include "components/object_store/transfer/transfer_service.h"

#include "components/protocol/object_store_methods.h"

namespace mobula::object_store {

void TransferService::Bind(rpc::ServiceTable& table) {
  table.Handle(
      protocol::kLocateObject,
      [this](const protocol::LocateObjectRequest& request, const rpc::CallContext& /*context*/,
             rpc::Respond<protocol::LocateObjectReply> respond) { respond(Locate(request)); });
  table.Handle(protocol::kReadChunk, [this](auto& request, const rpc::CallContext&, auto respond) {
    auto bytes = ReadChunk(request);
    if (!bytes) return respond(Fail(std::move(bytes.error())));
    respond(protocol::ReadChunkReply(), std::move(*bytes));
  });
}

Result<protocol::LocateObjectReply> TransferService::Locate(
    const protocol::LocateObjectRequest& request) const {
  const auto id = ObjectId::FromBinary(request.id());
  if (!id) return Fail(id.error());
  protocol::LocateObjectReply reply;
  // An object that is still being written or pulled here is not offered: its bytes are not final.
  reply.set_found(store_.ContainsSealed(*id));
  if (reply.found()) reply.set_size_bytes(store_.SizeOf(*id).value_or(0));
  return reply;
}

Result<Payload> TransferService::ReadChunk(const protocol::ReadChunkRequest& request) {
  const auto id = ObjectId::FromBinary(request.id());
  if (!id) return Fail(id.error());
  // The bytes go out as one frame. A larger one would keep small messages waiting behind it.
  if (request.size_bytes() > kChunkBytesMax) {
    return Fail(ErrorCode::kInvalidArgument, "a chunk of {} bytes was asked for, the most is {}",
                request.size_bytes(), kChunkBytesMax);
  }
  // Pinned until the last byte is sent. It may have gone since `Locate`: nothing held it in
  // between.
  auto object = pins_.Read(*id);
  if (!object) return Fail(ErrorCode::kNotFound, "object {} is not in this store", id->Short());
  // Compared without a sum, which could overflow.
  if (request.offset() > object->size() ||
      request.size_bytes() > object->size() - request.offset()) {
    return Fail(ErrorCode::kInvalidArgument, "object {} has {} bytes, {}+{} was asked for",
                id->Short(), object->size(), request.offset(), request.size_bytes());
  }
  sent_bytes_ += request.size_bytes();
  return object->Slice(request.offset(), request.size_bytes());
}

}  // namespace mobula::object_store
