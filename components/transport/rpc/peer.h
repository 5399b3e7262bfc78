/// \file
/// \brief Calls over one connection, in both directions.
///
/// A `Peer` turns frames into calls: it numbers requests, matches replies, ends calls at their
/// deadline, tells the other side about cancelled ones, and dispatches incoming requests to a
/// `ServiceTable`. Both ends are peers: a raylet calls its worker over the worker's own connection.
/// Bound: `kCallsInFlightMax` per direction; a call above it fails with kResourceExhausted.
#pragma once

#include <google/protobuf/message_lite.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "components/base/lifetime.h"
#include "components/transport/rpc/method.h"
#include "components/transport/rpc/service_table.h"
#include "components/transport/transport.h"

namespace mobula::transport::rpc {

/// How to make one call. All optional.
struct CallOptions {
  Duration timeout{0};   ///< 0: the method's own. Negative: no deadline (long polls).
  Payload attachment{};  ///< Bytes that travel beside the request.
  int descriptor = -1;   ///< File descriptor to pass (unix kinds).
  /// Where the reply's attachment goes; null: fresh memory of at most `attachment_bytes_max`.
  std::move_only_function<Result<WritablePayload>(std::uint64_t bytes)> place_attachment{};
  std::uint64_t attachment_bytes_max = 64ULL << 20;
};

/// A reply as it arrived.
struct RawReply {
  std::string body;
  Payload attachment;
  int descriptor = -1;  ///< Owned by the receiver; -1: none.
};

/// Calls of one direction that wait for their answer.
inline constexpr std::size_t kCallsInFlightMax = 200'000;

/// Names a call for `Cancel`. 0: none.
using CallId = std::uint64_t;

/// One end of a connection that speaks calls.
///
/// Threads: the state lock. Lifetime: owns its connection; destroying it fails nothing and calls
/// nobody. After `OnClosed` every pending call has failed with kUnavailable.
class Peer final : private ConnectionHandler {
 public:
  using OnRawReply = Done<RawReply>;
  /// \param services what the other side may call; null: nothing. Outlives the peer.
  Peer(EventLoop& loop, std::unique_ptr<Connection> connection, const ServiceTable* services);
  ~Peer() override;

  /// Calls a method; `done` runs once on the loop, never inside this call. Errors: those of the
  /// handler, kUnavailable (connection lost), kDeadlineExceeded, kResourceExhausted, kCorrupt.
  template <typename M>
  CallId Call(const M& method, const typename M::Request& request, Done<typename M::Reply> done,
              CallOptions options = {}) {
    return CallRaw(method, request.SerializeAsString(), std::move(options),
                   [done = std::move(done), &method](Result<RawReply> raw) mutable {
                     done(Parse<typename M::Reply>(method, std::move(raw)));
                   });
  }
  /// As `Call`, for replies with attachments and for clients that retry.
  CallId CallRaw(const MethodInfo& method, std::string body, CallOptions options, OnRawReply done);

  /// Sends a request nobody answers. Lost with the connection.
  template <typename M>
  void Notify(const M& method, const typename M::Request& request) {
    NotifyRaw(method, request.SerializeAsString());
  }
  void NotifyRaw(const MethodInfo& method, std::string body);

  /// Stops waiting: `done` is dropped unrun, the other side is told. Unknown ids are fine.
  void Cancel(CallId call);
  /// Publishes what was called so far (Connection::Flush).
  void Flush();
  /// Closes; pending calls fail with kCancelled soon, even if the peer is gone by then. `OnClosed`
  /// does not come.
  void Close();

  /// Closes because what came over it makes no sense; then all is as if it had been lost.
  void Break(Error reason);

  /// Runs once when the connection is lost, after all pending calls have failed.
  void OnClosed(std::move_only_function<void(const Error&)> callback);
  [[nodiscard]] bool IsOpen() const;
  [[nodiscard]] Connection& connection() { return *connection_; }
  /// A place for the server to keep what it knows of this peer (session state); null at first.
  std::shared_ptr<void> context;

  template <typename Reply>
  static Result<Reply> Parse(const MethodInfo& method, Result<RawReply> raw) {
    if (!raw) return Fail(std::move(raw.error()));
    Reply reply;
    if (!reply.ParseFromString(raw->body)) {
      return Fail(ErrorCode::kCorrupt, "the reply to {} is not a valid message", method.name);
    }
    return reply;
  }

 private:
  friend class Responder;
  using Deadlines = std::multimap<TimePoint, CallId>;
  /// A call of ours that waits for its reply.
  struct Outgoing {
    std::string_view method;
    OnRawReply done;
    std::move_only_function<Result<WritablePayload>(std::uint64_t)> place_attachment;
    std::uint64_t attachment_bytes_max;
    std::optional<Deadlines::iterator> deadline;
  };

  Result<WritablePayload> PlaceAttachment(const FrameHeader& header,
                                          std::string_view body) override;
  void OnFrame(Frame frame) override;
  void OnClose(const Error& reason) override;
  void OnRequest(Frame frame);
  void OnReply(Frame frame);
  void Answer(FrameKind kind, CallId call, std::string body, Payload attachment, int descriptor);
  void SendCancel(CallId call);
  Result<WritablePayload> Place(const FrameHeader& header, std::string_view body);
  Outgoing Take(std::map<CallId, Outgoing>::iterator it);
  void ArmDeadline(TimePoint deadline);
  void Expire();

  EventLoop& loop_;
  std::unique_ptr<Connection> connection_;
  const ServiceTable* services_;
  std::map<CallId, Outgoing> outgoing_;
  Deadlines deadlines_;
  TimePoint armed_for_ = TimePoint::max();
  std::unordered_set<CallId> incoming_;  // calls we are answering
  std::optional<Error> place_error_;     // why the attachment of the frame under way was dropped
  CallId last_call_ = 0;
  Timer deadline_timer_;
  std::move_only_function<void(const Error&)> on_closed_;
  bool open_ = true;
  std::shared_ptr<char> alive_;  // shared only as a token; responders hold it weakly
  Lifetime lifetime_;
};

}  // namespace mobula::transport::rpc
