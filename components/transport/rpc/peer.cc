#include "components/transport/rpc/peer.h"

#include <unistd.h>

#include <algorithm>

#include "components/transport/rpc/error_codec.h"

namespace mobula::transport::rpc {
namespace {

void CloseDescriptor(int descriptor) {
  if (descriptor >= 0) ::close(descriptor);
}

/// Whole milliseconds, at least one: zero means "no deadline" on the wire.
std::uint32_t WireMilliseconds(Duration timeout) {
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(timeout).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 1, UINT32_MAX));
}

/// One message too large would end the connection and every other call on it.
Result<void> CheckBody(std::string_view what, std::string_view body) {
  constexpr auto kMax = ConnectionLimits{}.body_bytes_max;
  if (body.size() <= kMax) return {};
  return Fail(ErrorCode::kResourceExhausted, "the message of {} has {} bytes, allowed are {}", what,
              body.size(), kMax);
}

}  // namespace

Peer::Peer(EventLoop& loop, std::unique_ptr<Connection> connection, const ServiceTable* services)
    : loop_(loop),
      connection_(std::move(connection)),
      services_(services),
      deadline_timer_(loop),
      alive_(std::make_shared<char>()) {
  // Where there is a handshake, it is over: the narrow limits for strangers end here.
  connection_->SetLimits(ConnectionLimits{});
  connection_->SetHandler(this);
}

Peer::~Peer() = default;

CallId Peer::CallRaw(const MethodInfo& method, std::string body, CallOptions options,
                     OnRawReply done) {
  // A call that cannot be made ends like one that failed: later, on the loop, and once.
  const auto refuse = [&](Error error) -> CallId {
    loop_.Post(lifetime_.Bind([done = std::move(done), error = std::move(error)]() mutable {
      done(Fail(std::move(error)));
    }));
    return 0;
  };
  if (!open_) {
    return refuse(
        Error(ErrorCode::kUnavailable, "{}: the connection is closed", connection_->Describe()));
  }
  // The far side would refuse more calls than this, and each waiting call takes memory here.
  if (outgoing_.size() >= kCallsInFlightMax) {
    return refuse(Error(ErrorCode::kResourceExhausted,
                        "{}: {} calls wait for their replies, which is the bound",
                        connection_->Describe(), outgoing_.size()));
  }
  if (auto fits = CheckBody(method.name, body); !fits) return refuse(std::move(fits.error()));
  const CallId id = ++last_call_;
  Frame frame;
  frame.header.kind = FrameKind::kRequest;
  frame.header.method = method.id;
  frame.header.call_id = id;
  Outgoing call{method.name, std::move(done), std::move(options.place_attachment),
                options.attachment_bytes_max, std::nullopt};
  const Duration timeout = options.timeout.count() == 0 ? method.timeout : options.timeout;
  if (timeout.count() > 0) {
    // Time left travels, not the hour: clocks of two hosts need not agree.
    const TimePoint deadline = loop_.Now() + timeout;
    call.deadline = deadlines_.emplace_hint(deadlines_.end(), deadline, id);
    ArmDeadline(deadline);
    frame.header.deadline_ms = WireMilliseconds(timeout);
  }
  outgoing_.emplace_hint(outgoing_.end(), id, std::move(call));
  frame.body = std::move(body);
  frame.attachment = std::move(options.attachment);
  frame.descriptor = options.descriptor;
  connection_->Send(std::move(frame));
  return id;
}

void Peer::NotifyRaw(const MethodInfo& method, std::string body) {
  if (!open_) return;
  if (auto fits = CheckBody(method.name, body); !fits) {
    // A notification has no reply that could carry this error, and dropping it in silence would let
    // the two sides disagree for ever. Ending the connection makes both start anew.
    Break(std::move(fits.error()));
    return;
  }
  Frame frame;
  frame.header.kind = FrameKind::kNotify;
  frame.header.method = method.id;
  frame.body = std::move(body);
  connection_->Send(std::move(frame));
}

void Peer::Break(Error reason) {
  connection_->Close();
  loop_.Post(lifetime_.Bind([this, reason = std::move(reason)] { OnClose(reason); }));
}

void Peer::Cancel(CallId call) {
  const auto it = outgoing_.find(call);
  if (it == outgoing_.end()) return;  // it was answered already
  const Outgoing dropped = Take(it);  // destroyed last: its callback may own anything
  SendCancel(call);
}

void Peer::Flush() {
  if (open_) connection_->Flush();
}

void Peer::Close() {
  if (!open_) return;
  open_ = false;
  connection_->Close();
  // Answers to requests of the far side have no way to leave any more; responders find that out.
  incoming_.clear();
  deadlines_.clear();
  deadline_timer_.Cancel();
  // Callers are told later: they may be in the middle of the function that closes. The callback
  // owns all it needs, as this peer may be destroyed before it runs.
  loop_.Post([calls = std::exchange(outgoing_, {}), who = connection_->Describe()]() mutable {
    for (auto& [id, call] : calls) {
      call.done(Fail(ErrorCode::kCancelled, "{} to {}: the connection was closed on this side",
                     call.method, who));
    }
  });
}

void Peer::OnClosed(std::move_only_function<void(const Error&)> callback) {
  on_closed_ = std::move(callback);
}

bool Peer::IsOpen() const { return open_; }

void Peer::SendCancel(CallId call) {
  Frame frame;
  frame.header.kind = FrameKind::kCancel;
  frame.header.call_id = call;
  connection_->Send(std::move(frame));
}

Peer::Outgoing Peer::Take(std::map<CallId, Outgoing>::iterator it) {
  Outgoing call = std::move(it->second);
  if (call.deadline) deadlines_.erase(*call.deadline);
  outgoing_.erase(it);
  return call;
}

// The timer is left to fire in vain when its call was answered: setting it once per quiet period
// is cheaper than twice per call.
void Peer::ArmDeadline(TimePoint deadline) {
  if (deadline_timer_.IsSet() && armed_for_ <= deadline) return;
  armed_for_ = deadline;
  deadline_timer_.Set(std::max(deadline - loop_.Now(), Duration(0)), [this] { Expire(); });
}

//! [call-deadline]
void Peer::Expire() {
  const std::weak_ptr<char> alive = alive_;
  const TimePoint now = loop_.Now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const CallId id = deadlines_.begin()->second;
    Outgoing call = Take(outgoing_.find(id));
    // The far side need not go on, and what it still sends for this number is dropped.
    SendCancel(id);
    call.done(Fail(ErrorCode::kDeadlineExceeded, "{} to {}: no reply in time", call.method,
                   connection_->Describe()));
    if (alive.expired()) return;
  }
  if (!deadlines_.empty()) ArmDeadline(deadlines_.begin()->first);
}
//! [call-deadline]

Result<WritablePayload> Peer::PlaceAttachment(const FrameHeader& header, std::string_view body) {
  // The frame itself follows in `OnFrame`, without its bytes; the reason waits there for it.
  auto place = Place(header, body);
  if (!place) place_error_ = place.error();
  return place;
}

Result<WritablePayload> Peer::Place(const FrameHeader& header, std::string_view body) {
  // Bytes that belong to a request: its handler says where it wants them.
  if (header.kind == FrameKind::kRequest || header.kind == FrameKind::kNotify) {
    const auto* entry = services_ != nullptr ? services_->Find(header.method) : nullptr;
    if (entry != nullptr && entry->placer) return entry->placer(*this, header, body);
    return Fail(ErrorCode::kInvalidArgument, "method {:#06x} takes no attachment, {} bytes came",
                header.method, header.attachment_bytes);
  }
  // Bytes that belong to a reply: the caller says, unless it has cancelled or given up meanwhile.
  const auto it = outgoing_.find(header.call_id);
  if (header.kind != FrameKind::kReply || it == outgoing_.end()) {
    return Fail(ErrorCode::kCancelled, "nobody waits for these bytes");
  }
  Outgoing& call = it->second;
  if (call.place_attachment) return call.place_attachment(header.attachment_bytes);
  if (header.attachment_bytes <= call.attachment_bytes_max) {
    return WritablePayload::Allocate(header.attachment_bytes);
  }
  return Fail(ErrorCode::kResourceExhausted,
              "the reply to {} brings {} bytes, wanted are at most {}", call.method,
              header.attachment_bytes, call.attachment_bytes_max);
}

void Peer::OnFrame(Frame frame) {
  switch (frame.header.kind) {
    case FrameKind::kRequest:
    case FrameKind::kNotify: OnRequest(std::move(frame)); return;
    case FrameKind::kReply:
    case FrameKind::kError: OnReply(std::move(frame)); return;
    case FrameKind::kCancel:
      // The caller does not want the answer any more. The handler is not stopped: its answer will
      // find no entry and be dropped.
      incoming_.erase(frame.header.call_id);
      CloseDescriptor(frame.descriptor);
      return;
    case FrameKind::kHandshake:
      // The handshake decorator takes its own frames, so this peer has none or speaks another
      // protocol. Nothing it says can be trusted to be what it seems.
      CloseDescriptor(frame.descriptor);
      connection_->Close();
      OnClose(Error(ErrorCode::kCorrupt, "{}: a handshake came where calls are spoken",
                    connection_->Describe()));
      return;
  }
}

void Peer::OnRequest(Frame frame) {
  const CallId id = frame.header.kind == FrameKind::kRequest ? frame.header.call_id : 0;
  const auto place_error = std::exchange(place_error_, std::nullopt);
  const bool full = incoming_.size() >= kCallsInFlightMax;  // looked at before this one counts
  if (id != 0 && !incoming_.insert(id).second) {  // the same call again: it is being answered
    CloseDescriptor(frame.descriptor);
    return;
  }
  Responder responder(this, alive_, id);
  const auto* entry = services_ != nullptr ? services_->Find(frame.header.method) : nullptr;
  // No handler sees this request: it names a method that this build does not have, its bytes found
  // no place, or the far side calls faster than it is answered.
  if (entry == nullptr || place_error || full) {
    CloseDescriptor(frame.descriptor);
    if (entry == nullptr) {
      responder.SendError(
          Error(ErrorCode::kInvalidArgument, "unknown method {:#06x}", frame.header.method));
    } else if (place_error) {
      responder.SendError(*place_error);
    } else {
      responder.SendError(Error(
          ErrorCode::kResourceExhausted,
          fmt::format("{} calls are being answered, which is the bound", incoming_.size() - 1)));
    }
    return;
  }
  CallContext context;
  context.peer = this;
  // The time that is left travels and counts from its arrival: clocks of two hosts may differ.
  context.deadline = frame.header.deadline_ms == 0
                         ? TimePoint::max()
                         : loop_.Now() + std::chrono::milliseconds(frame.header.deadline_ms);
  context.attachment = std::move(frame.attachment);
  context.descriptor = frame.descriptor;
  entry->handler(frame.body, std::move(context), std::move(responder));  // may destroy this
}

void Peer::OnReply(Frame frame) {
  const auto place_error = std::exchange(place_error_, std::nullopt);
  const auto it = outgoing_.find(frame.header.call_id);
  if (it == outgoing_.end()) {  // late, or twice
    CloseDescriptor(frame.descriptor);
    return;
  }
  Outgoing call = Take(it);
  if (frame.header.kind == FrameKind::kError || place_error) {
    CloseDescriptor(frame.descriptor);
    call.done(Fail(place_error ? *place_error : DecodeError(frame.body)));
    return;
  }
  call.done(RawReply{std::move(frame.body), std::move(frame.attachment), frame.descriptor});
}

void Peer::OnClose(const Error& reason) {
  if (!open_) return;
  // The callbacks below may make calls. From here on those are refused at once.
  open_ = false;
  incoming_.clear();
  deadlines_.clear();
  deadline_timer_.Cancel();
  const std::weak_ptr<char> alive = alive_;
  const Error lost(reason);  // NOLINT(performance-unnecessary-copy-initialization): may die below
  // No reply can come any more. Whether a request arrived is not known, so the callers decide, by
  // the method, if it may be sent again.
  auto calls = std::exchange(outgoing_, {});
  for (auto& [id, call] : calls) {
    call.done(Fail(ErrorCode::kUnavailable, "{}: {}", call.method, lost.message()));
  }
  if (alive.expired() || !on_closed_) return;
  auto on_closed = std::move(on_closed_);
  on_closed(lost);  // may destroy this
}

void Peer::Answer(FrameKind kind, CallId call, std::string body, Payload attachment,
                  int descriptor) {
  // The caller has cancelled, or the connection has ended: nobody waits for this.
  if (incoming_.erase(call) == 0) return;
  if (auto fits = CheckBody("a reply", body); !fits) {
    // Sent as it is, it would end the connection for all other calls. So only this call fails.
    kind = FrameKind::kError;
    body = EncodeError(fits.error());
    attachment = {};
    descriptor = -1;
  }
  Frame frame;
  frame.header.kind = kind;
  frame.header.call_id = call;
  frame.body = std::move(body);
  frame.attachment = std::move(attachment);
  frame.descriptor = descriptor;
  connection_->Send(std::move(frame));
}

}  // namespace mobula::transport::rpc
