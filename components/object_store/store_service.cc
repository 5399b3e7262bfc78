#include "components/object_store/store_service.h"

#include "components/base/check.h"
#include "components/object_store/methods.h"
#include "components/transport/rpc/peer.h"

namespace mobula {

using namespace object_store;  // the messages of our own protocol

StoreService::StoreService(const Deps& deps) : deps_(deps), sending_(deps.loop, deps.store) {}

StoreService::~StoreService() { Stop(); }

void StoreService::Stop() {
  deps_.creates.Stop();
  if (deps_.puller != nullptr) deps_.puller->Stop();
}

void StoreService::Bind(rpc::ServiceTable& table) {
  using rpc::CallContext;
  using rpc::Respond;
  table.Handle(kAttach, [this](auto& request, const CallContext& context, auto respond) {
    Attach(context, request, std::move(respond));
  });
  table.Handle(kCreate, [this](auto& request, const CallContext& context, auto respond) {
    Create(context, request, std::move(respond));
  });
  table.Handle(
      kSeal,
      [this](const SealRequest& request, const CallContext& context, Respond<SealReply> respond) {
        respond(Seal(context, request));
      },
      [this](const rpc::Peer& peer, const FrameHeader& header, std::string_view body) {
        return PlaceSeal(peer, header.attachment_bytes, body);
      });
  table.Handle(kAbort, [this](const AbortRequest& request, const CallContext& context,
                              Respond<AbortReply> respond) { respond(Abort(context, request)); });
  table.Handle(kGet, [this](const GetRequest& request, const CallContext& context,
                            GetRespond respond) { Get(context, request, std::move(respond)); });
  table.Handle(kRelease, [this](auto& request, const CallContext& context, auto respond) {
    Release(context, request);
    respond(ReleaseReply());
  });
}

void StoreService::Attach(const rpc::CallContext& context, const AttachRequest& request,
                          rpc::Respond<AttachReply> respond) {
  if (sessions_.contains(context.peer)) {
    return respond(Fail(ErrorCode::kAlreadyExists, "this connection is attached already"));
  }
  const int descriptor = request.can_map() ? deps_.store.SharedDescriptor() : -1;
  Session& session = sessions_[context.peer];
  session.client = ++last_client_;
  session.mapped = descriptor >= 0;
  AttachReply reply;
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
  deps_.creates.DropClient(session.mapped().client);
  deps_.store.DropClient(session.mapped().client);
}

void StoreService::Create(const rpc::CallContext& context, const CreateRequest& request,
                          rpc::Respond<CreateReply> respond) {
  const auto session = SessionOf(context.peer);
  if (!session) return respond(Fail(session.error()));
  const auto id = ObjectId::FromBinary(request.id());
  if (!id) return respond(Fail(id.error()));
  const CreateQueue::Request wanted{.id = *id,
                                    .size_bytes = request.size_bytes(),
                                    .kind = CopyKind::kPrimary,
                                    .client = (*session)->client};
  deps_.creates.Create(wanted, alive_.Bind([this, wanted, peer = context.peer,
                                            respond = std::move(respond)](
                                               Result<StoredObject> object) mutable {
    if (!object) return respond(Fail(std::move(object.error())));
    if (respond.IsAbandoned()) {  // gave up waiting; the peer may be gone and its address in use
      (void)deps_.store.Abort(wanted.id, wanted.client);
      return;
    }
    sessions_.at(peer).writing[wanted.id] = object->bytes;
    CreateReply reply;
    reply.set_arena_offset(object->arena_offset);
    respond(reply);
  }));
}

Result<WritablePayload> StoreService::PlaceSeal(const rpc::Peer& peer, std::uint64_t size_bytes,
                                                std::string_view body) {
  const auto session = SessionOf(&peer);
  if (!session) return Fail(session.error());
  SealRequest request;
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
  // Nobody else keeps it: requests of one connection are read in order, so an abort comes after
  // the last byte, and a lost connection is read no more.
  return WritablePayload{.keep = nullptr, .bytes = object->second};
}

Result<SealReply> StoreService::Seal(const rpc::CallContext& context, const SealRequest& request) {
  const auto session = SessionOf(context.peer);
  if (!session) return Fail(session.error());
  const auto id = ObjectId::FromBinary(request.id());
  if (!id) return Fail(id.error());
  const auto object = (*session)->writing.find(*id);
  if (object != (*session)->writing.end() && !(*session)->mapped &&
      context.attachment.size() != object->second.size()) {
    return Fail(ErrorCode::kInvalidArgument, "object {} was created with {} bytes, {} came",
                id->Short(), object->second.size(), context.attachment.size());
  }
  if (auto sealed = deps_.store.Seal(*id, (*session)->client); !sealed) {
    return Fail(std::move(sealed.error()));
  }
  if (on_sealed_) on_sealed_(*context.peer, *id);
  (*session)->writing.erase(*id);
  return SealReply();
}

Result<AbortReply> StoreService::Abort(const rpc::CallContext& context,
                                       const AbortRequest& request) {
  const auto session = SessionOf(context.peer);
  if (!session) return Fail(session.error());
  const auto id = ObjectId::FromBinary(request.id());
  if (!id) return Fail(id.error());
  (*session)->writing.erase(*id);
  if (auto aborted = deps_.store.Abort(*id, (*session)->client); !aborted) {
    return Fail(std::move(aborted.error()));
  }
  return AbortReply();
}

void StoreService::Get(const rpc::CallContext& context, const GetRequest& request,
                       GetRespond respond) {
  const auto session = SessionOf(context.peer);
  if (!session) return respond(Fail(session.error()));
  const auto id = ObjectId::FromBinary(request.id());
  if (!id) return respond(Fail(id.error()));
  if (AnswerGet(*id, **session, respond)) return;
  if (deps_.puller == nullptr) {
    return respond(Fail(ErrorCode::kNotFound, "object {} is not in this store", id->Short()));
  }
  ObjectHint hint;
  hint.raylet_endpoints.assign(request.raylet_endpoints().begin(),
                               request.raylet_endpoints().end());
  // Owners: the two callbacks of the waiter.
  auto answer = std::make_shared<GetRespond>(std::move(respond));
  deps_.puller->Pull(
      *id, hint,
      {.done = alive_.Bind([this, id = *id, peer = context.peer, answer](Result<void> pulled) {
         if (!pulled) return (*answer)(Fail(std::move(pulled.error())));
         if (answer->IsAbandoned()) return;
         const bool answered = AnswerGet(id, sessions_.at(peer), *answer);
         Check(answered, "a pulled object is here");
       }),
       .is_abandoned = [answer] { return answer->IsAbandoned(); }});
}

bool StoreService::AnswerGet(const ObjectId& id, const Session& session, GetRespond& respond) {
  GetReply reply;
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

void StoreService::Release(const rpc::CallContext& context, const ReleaseRequest& request) {
  const auto session = SessionOf(context.peer);
  if (!session) return;
  for (const std::string& id : request.ids()) {
    deps_.store.Release(ObjectId::FromBinaryOrNil(id), (*session)->client);
  }
}

void StoreService::Delete(std::span<const ObjectId> ids) {
  for (const ObjectId& id : ids) deps_.store.Delete(id);
}

}  // namespace mobula
