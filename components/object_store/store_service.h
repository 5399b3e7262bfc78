/// \file
/// \brief The store as the processes of its node reach it, over their connection to the raylet.
///
/// Binds an `ObjectStore` to the `StoreService` methods. Each attached connection is one store
/// client; when it is lost, what it had not sealed is aborted and its pins are dropped, so a killed
/// worker leaves nothing behind. Two ways for bytes to travel, told at `Attach`:
///
///     mapped    the reply carries the arena's memfd; later only offsets travel
///     message   `Seal` carries the bytes, straight into the object's memory; `Get` answers with
///               them, straight out of it, pinned until sent
///
/// Called by: the raylet. Book: \ref ch_objects.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <unordered_map>

#include "components/object_store/create_queue.h"
#include "components/object_store/object_store.h"
#include "components/object_store/puller.h"
#include "components/object_store/raylet_pins.h"
#include "components/protocol/object_store.pb.h"
#include "components/transport/rpc/service_table.h"

namespace mobula::object_store {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it; it outlives the peers whose
/// table it is bound to.
class StoreService {
 public:
  struct Deps {
    EventLoop& loop;
    ObjectStore& store;
    CreateQueue& creates;
    Puller* puller = nullptr;  ///< Null: objects of other nodes are kNotFound.
  };
  explicit StoreService(const Deps& deps);
  ~StoreService();

  /// Adds the handlers of `StoreService`.
  void Bind(rpc::ServiceTable& table);
  /// To be called for every peer that is lost, attached or not.
  void OnPeerClosed(rpc::Peer& peer);

  // What the raylet does itself, without a message.

  /// Tells of every object that a client has sealed. One callback.
  void OnSealed(std::function<void(const rpc::Peer&, const ObjectId&)> callback) {
    on_sealed_ = std::move(callback);
  }
  /// Tells of every object that was pulled here, with its owner as its reader has named it. One
  /// callback, once for each reader that waited.
  void OnPulled(std::function<void(const ObjectId&, const std::string& owner)> callback) {
    on_pulled_ = std::move(callback);
  }
  /// Forgets objects whose owner has freed them; memory comes back with the last pin.
  void Delete(std::span<const ObjectId> ids);
  /// \return a view of a sealed local object that stays pinned while held; nullopt if none.
  [[nodiscard]] std::optional<Payload> Read(const ObjectId& id) { return sending_.Read(id); }
  /// \return attached connections.
  [[nodiscard]] std::size_t client_count() const { return sessions_.size(); }
  /// Answers every waiting request with kCancelled. Twice is harmless.
  void Stop();

 private:
  struct Session {
    StoreClientId client = kRaylet;
    bool mapped = false;
    std::map<ObjectId, std::span<std::byte>> writing;  ///< Created and not sealed.
  };
  struct Call {
    const rpc::CallContext& context;
    Session& session;
    const ObjectId& id;
  };
  using GetRespond = rpc::Respond<protocol::GetObjectReply>;

  void Attach(const rpc::CallContext& context, const protocol::AttachStoreRequest& request,
              rpc::Respond<protocol::AttachStoreReply> respond);
  void Create(const Call& call, const protocol::CreateObjectRequest& request,
              rpc::Respond<protocol::CreateObjectReply> respond);
  Result<WritablePayload> PlaceSeal(const rpc::Peer& peer, std::uint64_t size_bytes,
                                    std::string_view body);
  void Seal(const Call& call, const protocol::SealObjectRequest& request,
            rpc::Respond<protocol::SealObjectReply> respond);
  void Abort(const Call& call, const protocol::AbortObjectRequest& request,
             rpc::Respond<protocol::AbortObjectReply> respond);
  void Get(const Call& call, const protocol::GetObjectRequest& request, GetRespond respond);
  [[nodiscard]] bool AnswerGet(const ObjectId& id, const Session& session, GetRespond& respond);
  void Release(const rpc::Peer& peer, const protocol::ReleaseObjectsRequest& request);
  Result<Session*> SessionOf(const rpc::Peer* peer);

  Deps deps_;
  std::function<void(const rpc::Peer&, const ObjectId&)> on_sealed_;
  std::function<void(const ObjectId&, const std::string&)> on_pulled_;
  std::unordered_map<const rpc::Peer*, Session> sessions_;  // never walked
  StoreClientId last_client_ = kRaylet;
  RayletPins sending_;
  Lifetime alive_;
};

}  // namespace mobula::object_store
