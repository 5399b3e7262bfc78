/// \file
/// \brief What a process lets others call: handlers by method.
#pragma once

#include <google/protobuf/message_lite.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "components/base/event_loop.h"
#include "components/base/payload.h"
#include "components/base/result.h"
#include "components/transport/frame.h"
#include "components/transport/rpc/method.h"

namespace mobula::transport::rpc {

class Peer;

/// What a handler is told about a call besides its request.
struct CallContext {
  Peer* peer = nullptr;  ///< Valid inside the handler only; it may be gone when answering later.
  TimePoint deadline{};  ///< When the caller stops waiting; TimePoint::max() if never.
  Payload attachment;    ///< Bytes that came with the request.
  int descriptor = -1;   ///< File descriptor that came with it; the handler's to close.
};

/// The right to answer one call, once. Dropping it unanswered sends kCancelled. Moves and may
/// outlive peer and connection: answering then does nothing.
class Responder {
 public:
  Responder() = default;
  Responder(Peer* peer, std::weak_ptr<char> peer_alive, std::uint64_t call_id)
      : peer_(peer), peer_alive_(std::move(peer_alive)), call_id_(call_id) {}
  Responder(Responder&&) noexcept;
  Responder& operator=(Responder&&) noexcept;
  ~Responder();

  void SendRaw(std::string body, Payload attachment = {}, int descriptor = -1);
  void SendError(const Error& error);
  /// \return true when nobody waits any more: cancelled, answered, or the connection is gone.
  [[nodiscard]] bool IsAbandoned() const;

 private:
  void Answer(FrameKind kind, std::string body, Payload attachment, int descriptor);

  Peer* peer_ = nullptr;
  std::weak_ptr<char> peer_alive_;
  std::uint64_t call_id_ = 0;  // 0: a notification, or answered
};

/// A responder that knows its reply type: `respond(reply)`, `respond(Fail(...))`.
template <typename Reply>
class Respond {
 public:
  Respond() = default;
  explicit Respond(Responder responder) : responder_(std::move(responder)) {}
  void operator()(const Result<Reply>& reply, Payload attachment = {}, int descriptor = -1) {
    if (reply) {
      responder_.SendRaw(reply->SerializeAsString(), std::move(attachment), descriptor);
    } else {
      responder_.SendError(reply.error());
    }
  }
  [[nodiscard]] bool IsAbandoned() const { return responder_.IsAbandoned(); }

 private:
  Responder responder_;
};

/// Handlers by method id.
///
/// Threads: filled before use, then read under the state lock. Lifetime: outlives its peers.
/// A request for a method that is not here is answered kInvalidArgument.
class ServiceTable {
 public:
  using RawHandler = std::function<void(std::string_view body, CallContext, Responder)>;
  /// Gives the destination for a request's attachment; the default is fresh memory up to
  /// `attachment_bytes_max` of the entry.
  using Placer =
      std::function<Result<WritablePayload>(Peer&, const FrameHeader&, std::string_view body)>;
  struct Entry {
    MethodInfo info;
    RawHandler handler;
    Placer placer;  ///< Null: no attachment is accepted.
  };

  /// Adds a typed handler: `void(const Request&, CallContext, Respond<Reply>)`.
  template <typename M, typename Handler>
  void Handle(const M& method, Handler handler, Placer placer = nullptr) {
    AddRaw({method,
            [handler = std::move(handler), name = method.name](
                std::string_view body, CallContext context, Responder responder) {
              typename M::Request request;
              if (!request.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
                return responder.SendError(
                    Error(ErrorCode::kCorrupt, "the request to {} is not valid", name));
              }
              handler(request, std::move(context),
                      Respond<typename M::Reply>(std::move(responder)));
            },
            std::move(placer)});
  }
  /// Adds a handler of what is not answered: `void(Request&, Peer&)`.
  template <typename M, typename Handler>
  void HandleNotification(const M& method, Handler handler) {
    Handle(method, [handler = std::move(handler)](
                       typename M::Request& request, const CallContext& call,
                       const Respond<typename M::Reply>&) { handler(request, *call.peer); });
  }
  void AddRaw(Entry entry);
  /// \return null if there is none.
  [[nodiscard]] const Entry* Find(std::uint32_t method) const;
  [[nodiscard]] const std::map<std::uint32_t, Entry>& entries() const { return entries_; }

 private:
  std::map<std::uint32_t, Entry> entries_;
};

}  // namespace mobula::transport::rpc
