#include "components/object_store/transfer/transfer_service.h"

#include "components/object_store/methods.h"

namespace mobula {

using namespace object_store;  // the messages of our own protocol

void TransferService::Bind(rpc::ServiceTable& table) {
  table.Handle(kLocate, [this](const LocateRequest& request, const rpc::CallContext& /*context*/,
                               rpc::Respond<LocateReply> respond) { respond(Locate(request)); });
  table.Handle(kReadChunk, [this](auto& request, const rpc::CallContext&, auto respond) {
    auto bytes = ReadChunk(request);
    if (!bytes) return respond(Fail(std::move(bytes.error())));
    respond(ReadChunkReply(), std::move(*bytes));
  });
}

Result<LocateReply> TransferService::Locate(const LocateRequest& request) const {
  const auto id = ObjectId::FromBinary(request.id());
  if (!id) return Fail(id.error());
  LocateReply reply;
  reply.set_found(store_.ContainsSealed(*id));
  if (reply.found()) reply.set_size_bytes(store_.SizeOf(*id).value_or(0));
  return reply;
}

Result<Payload> TransferService::ReadChunk(const ReadChunkRequest& request) {
  const auto id = ObjectId::FromBinary(request.id());
  if (!id) return Fail(id.error());
  if (request.size_bytes() > kChunkBytesMax) {
    return Fail(ErrorCode::kInvalidArgument, "a chunk of {} bytes was asked for, the most is {}",
                request.size_bytes(), kChunkBytesMax);
  }
  auto object = pins_.Read(*id);
  if (!object) return Fail(ErrorCode::kNotFound, "object {} is not in this store", id->Short());
  if (request.offset() > object->size() ||
      request.size_bytes() > object->size() - request.offset()) {
    return Fail(ErrorCode::kInvalidArgument, "object {} has {} bytes, {}+{} was asked for",
                id->Short(), object->size(), request.offset(), request.size_bytes());
  }
  sent_bytes_ += request.size_bytes();
  return object->Slice(request.offset(), request.size_bytes());
}

}  // namespace mobula
