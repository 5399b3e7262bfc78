#include "components/object_store/store_service.h"

#include "components/base/check.h"
#include "components/protocol/object_store_methods.h"
#include "components/transport/rpc/peer.h"

namespace mobula::object_store {

StoreService::StoreService(const Deps& deps) : deps_(deps), sending_(deps.loop, deps.store) {}

StoreService::~StoreService() { Stop(); }

void StoreService::Stop() {
  deps_.creates.Stop();
  if (deps_.puller != nullptr) deps_.puller->Stop();
}

void StoreService::Bind(rpc::ServiceTable& table) {
  // Four calls are about one object and need an attached connection; both are checked in one place.
  const auto handle = [this, &table](const auto& method, auto serve,
                                     rpc::ServiceTable::Placer placer = nullptr) {
    const auto served = [this, serve](auto& request, const auto& context, auto respond) {
      const auto session = SessionOf(context.peer);
      if (!session) return respond(Fail(session.error()));
      const auto id = ObjectId::FromBinary(request.id());
      if (!id) return respond(Fail(id.error()));
      (this->*serve)({context, **session, *id}, request, std::move(respond));
    };
    table.Handle(method, served, std::move(placer));
  };
  handle(protocol::kCreateObject, &StoreService::Create);
  handle(protocol::kSealObject, &StoreService::Seal,
         [this](const rpc::Peer& peer, const transport::FrameHeader& header,
                std::string_view body) { return PlaceSeal(peer, header.attachment_bytes, body); });
  handle(protocol::kAbortObject, &StoreService::Abort);
  handle(protocol::kGetObject, &StoreService::Get);
  table.Handle(protocol::kAttachStore,
               [this](auto& request, const rpc::CallContext& context, auto respond) {
                 Attach(context, request, std::move(respond));
               });
  table.Handle(protocol::kReleaseObjects,
               [this](auto& request, const rpc::CallContext& context, auto respond) {
                 Release(*context.peer, request);
                 respond(protocol::ReleaseObjectsReply());
               });
}

void StoreService::Attach(const rpc::CallContext& context,
                          const protocol::AttachStoreRequest& request,
                          rpc::Respond<protocol::AttachStoreReply> respond) {
  // A second attach on a connection would give its pins to two clients, and a death drops only one.
  if (sessions_.contains(context.peer)) {
    return respond(Fail(ErrorCode::kAlreadyExists, "this connection is attached already"));
  }
  // Bytes travel by message unless both sides can do better: the store has an arena, and the
  // connection can carry its descriptor.
  const int descriptor = request.can_map() ? deps_.store.SharedDescriptor() : -1;
  Session& session = sessions_[context.peer];
  session.client = ++last_client_;
  session.mapped = descriptor >= 0;
  protocol::AttachStoreReply reply;
  reply.set_kind(session.mapped ? "mapped" : "message");
  reply.set_capacity_bytes(deps_.store.Usage().capacity_bytes);
  respond(reply, {}, descriptor);
}

Result<StoreService::Session*> StoreService::SessionOf(const rpc::Peer* peer) {
  const auto it = sessions_.find(peer);
  if (it != sessions_.end()) return &it->second;
  return Fail(ErrorCode::kInvalidArgument, "this connection is not attached to the object store");
}

void StoreService::OnPeerClosed(rpc::Peer& peer) {
  auto session = sessions_.extract(&peer);
  if (session.empty()) return;
  // The queue first: room that the death sets free must not go to the dead client's own requests.
  deps_.creates.DropClient(session.mapped().client);
  deps_.store.DropClient(session.mapped().client);
}

void StoreService::Create(const Call& call, const protocol::CreateObjectRequest& request,
                          rpc::Respond<protocol::CreateObjectReply> respond) {
  const CreateQueue::Request wanted{.id = call.id,
                                    .size_bytes = request.size_bytes(),
                                    .kind = CopyKind::kPrimary,
                                    .client = call.session.client};
  deps_.creates.Create(
      wanted, alive_.Bind([this, wanted, peer = call.context.peer,
                           respond = std::move(respond)](Result<StoredObject> object) mutable {
        if (!object) return respond(Fail(std::move(object.error())));
        // The client left while its request was waiting. Its session may be gone, and the address
        // of its peer may belong to another connection by now: only the ids of `wanted` can be
        // used.
        if (respond.IsAbandoned()) {
          (void)deps_.store.Abort(wanted.id, wanted.client);
          return;
        }
        // Remembered until sealed: bytes that come by message are received straight into this
        // memory.
        sessions_.at(peer).writing[wanted.id] = object->bytes;
        protocol::CreateObjectReply reply;
        reply.set_arena_offset(object->arena_offset);
        respond(reply);
      }));
}

/// Called when the header of a `Seal` has come, before its bytes: \return where they shall go.
Result<WritablePayload> StoreService::PlaceSeal(const rpc::Peer& peer, std::uint64_t size_bytes,
                                                std::string_view body) {
  const auto session = SessionOf(&peer);
  if (!session) return Fail(session.error());
  protocol::SealObjectRequest request;
  if (!request.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return Fail(ErrorCode::kCorrupt, "the request to seal is not a valid message");
  }
  const auto id = ObjectId::FromBinaryOrNil(request.id());
  const auto object = (*session)->writing.find(id);
  if (object == (*session)->writing.end() || (*session)->mapped) {
    return Fail(ErrorCode::kInvalidArgument, "object {} takes no bytes from this client",
                id.Short());
  }
  if (object->second.size() != size_bytes) {
    return Fail(ErrorCode::kInvalidArgument, "object {} was created with {} bytes, {} came",
                id.Short(), object->second.size(), size_bytes);
  }
  // The memory stays valid without a pin of its own. Requests of one connection are read in order,
  // so an abort is read after the last byte; and a lost connection is not read any more.
  return WritablePayload{.keep = nullptr, .bytes = object->second};
}

void StoreService::Seal(const Call& call, const protocol::SealObjectRequest&,
                        rpc::Respond<protocol::SealObjectReply> respond) {
  // By message, a request to seal without bytes of the right number would seal garbage.
  const auto object = call.session.writing.find(call.id);
  if (object != call.session.writing.end() && !call.session.mapped &&
      call.context.attachment.size() != object->second.size()) {
    return respond(Fail(ErrorCode::kInvalidArgument, "object {} was created with {} bytes, {} came",
                        call.id.Short(), object->second.size(), call.context.attachment.size()));
  }
  auto sealed = deps_.store.Seal(call.id, call.session.client);
  if (!sealed) return respond(Fail(std::move(sealed.error())));
  // The raylet notes who has sealed it until an owner says that the copy is its own.
  if (on_sealed_) on_sealed_(*call.context.peer, call.id);
  call.session.writing.erase(call.id);
  respond(protocol::SealObjectReply());
}

void StoreService::Abort(const Call& call, const protocol::AbortObjectRequest&,
                         rpc::Respond<protocol::AbortObjectReply> respond) {
  // No byte of a later `Seal` may land in memory that is about to be given to others.
  call.session.writing.erase(call.id);
  auto aborted = deps_.store.Abort(call.id, call.session.client);
  if (!aborted) return respond(Fail(std::move(aborted.error())));
  respond(protocol::AbortObjectReply());
}

void StoreService::Get(const Call& call, const protocol::GetObjectRequest& request,
                       GetRespond respond) {
  // The usual case: a copy is here, and the answer needs no other node.
  if (AnswerGet(call.id, call.session, respond)) return;
  if (deps_.puller == nullptr) {
    return respond(Fail(ErrorCode::kNotFound, "object {} is not in this store", call.id.Short()));
  }
  ObjectHint hint;
  hint.raylet_endpoints.assign(request.raylet_endpoints().begin(),
                               request.raylet_endpoints().end());
  // Owners: the two callbacks of the waiter.
  auto answer = std::make_shared<GetRespond>(std::move(respond));
  deps_.puller->Pull(call.id, hint,
                     {.done = alive_.Bind([this, id = call.id, owner = request.owner(),
                                           peer = call.context.peer, answer](Result<void> pulled) {
                        if (!pulled) return (*answer)(Fail(std::move(pulled.error())));
                        // When this copy is evicted, its owner must be told.
                        if (on_pulled_ && !owner.empty()) on_pulled_(id, owner);
                        // Nobody has pinned it for a reader that left: it may be evicted.
                        if (answer->IsAbandoned()) return;
                        const bool answered = AnswerGet(id, sessions_.at(peer), *answer);
                        Check(answered, "a pulled object is here");
                      }),
                      .is_abandoned = [answer] { return answer->IsAbandoned(); }});
}

bool StoreService::AnswerGet(const ObjectId& id, const Session& session, GetRespond& respond) {
  protocol::GetObjectReply reply;
  // A mapped client reads in place: it holds the pin, and gives it back with `Release` or by dying.
  // Otherwise the raylet holds it until the bytes are sent, and the client has a copy of its own.
  if (session.mapped) {
    const auto object = deps_.store.Get(id, session.client);
    if (!object) return false;
    reply.set_arena_offset(object->arena_offset);
    reply.set_size_bytes(object->bytes.size());
    respond(reply);
    return true;
  }
  auto payload = Read(id);
  if (!payload) return false;
  reply.set_size_bytes(payload->size());
  respond(reply, std::move(*payload));
  return true;
}

void StoreService::Release(const rpc::Peer& peer, const protocol::ReleaseObjectsRequest& request) {
  // A notification that was under way when its connection was lost has no session any more, and the
  // death has dropped the pins already.
  const auto session = SessionOf(&peer);
  if (!session) return;
  for (const std::string& id : request.ids()) {
    deps_.store.Release(ObjectId::FromBinaryOrNil(id), (*session)->client);
  }
}

void StoreService::Delete(std::span<const ObjectId> ids) {
  for (const ObjectId& id : ids) deps_.store.Delete(id);
}

}  // namespace mobula::object_store
