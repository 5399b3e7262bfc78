// \edge: a helper whose header says all that a caller needs
#include "components/object_store/attach.h"

#include <unistd.h>

#include "components/object_store/client/mapped_store_client.h"
#include "components/object_store/client/message_store_client.h"
#include "components/protocol/object_store_methods.h"

namespace mobula::object_store {

using protocol::AttachStoreReply;
using protocol::AttachStoreRequest;
using protocol::kAttachStore;

namespace {

Result<std::unique_ptr<StoreClient>> MakeClient(EventLoop& loop, rpc::Client& raylet,
                                                const protocol::AttachStoreReply& reply,
                                                int descriptor) {
  if (reply.kind() == "message") {
    return std::make_unique<MessageStoreClient>(loop, raylet, reply.capacity_bytes());
  }
  // A raylet of a later build may have kinds of which this one knows nothing.
  if (reply.kind() != "mapped") {
    return Fail(ErrorCode::kVersionMismatch, "the object store is of unknown kind '{}'",
                reply.kind());
  }
  if (descriptor < 0) {
    return Fail(ErrorCode::kInternal, "the object store is mapped, but no memory came with it");
  }
  // Twice: views for user code are read-only, and only the runtime knows the writable addresses.
  auto read = Mapping::Make(descriptor, reply.capacity_bytes(), MapAccess::kRead);
  if (!read) return Fail(std::move(read.error()));
  auto write = Mapping::Make(descriptor, reply.capacity_bytes(), MapAccess::kReadWrite);
  if (!write) return Fail(std::move(write.error()));
  return std::make_unique<MappedStoreClient>(loop, raylet, std::move(*read), std::move(*write));
}

}  // namespace

void AttachStore(EventLoop& loop, rpc::Client& raylet, Done<std::unique_ptr<StoreClient>> done) {
  protocol::AttachStoreRequest request;
  // Only a unix socket, also below the shared-memory transport, can carry the arena's descriptor.
  request.set_can_map(raylet.endpoint().find("unix://") != std::string::npos);
  raylet.CallRaw(protocol::kAttachStore, request.SerializeAsString(), {},
                 [&loop, &raylet, done = std::move(done)](Result<rpc::RawReply> raw) mutable {
                   // The raylet chooses: it offers its memory if it has any and the way can carry
                   // it.
                   const int descriptor = raw ? raw->descriptor : -1;
                   const auto reply = rpc::Peer::Parse<protocol::AttachStoreReply>(
                       protocol::kAttachStore, std::move(raw));
                   auto client =
                       reply ? MakeClient(loop, raylet, *reply, descriptor) : Fail(reply.error());
                   if (descriptor >= 0) ::close(descriptor);  // mappings keep the memory
                   done(std::move(client));
                 });
}

}  // namespace mobula::object_store
