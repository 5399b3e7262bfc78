#include "components/transport/rpc/client.h"

#include <algorithm>
#include <map>
#include <vector>

namespace mobula::transport::rpc {
namespace {

/// What a retry needs of a call.
struct Request {
  MethodInfo method;
  std::string body;
  CallOptions options;
  TimePoint deadline;  ///< max(): none.
  Peer::OnRawReply done;

  [[nodiscard]] bool IsRepeatable() const {
    return method.idempotency == Idempotency::kIdempotent && !options.place_attachment &&
           options.descriptor < 0;
  }
};

/// The peer answered and will not have us: the same attempt again would end the same way.
bool IsFinal(ErrorCode code) {
  return code == ErrorCode::kPermissionDenied || code == ErrorCode::kVersionMismatch ||
         code == ErrorCode::kInvalidArgument;
}

}  // namespace

//              Connect or call               connected
//   kIdle ───────────────────────► kAway ─────────────────► kConnected
//                                   │  ▲                        │
//                        gives up   │  └────── connection lost ─┘
//                                   ▼
//                                 kGone   ◄── Stop, from anywhere
class Client::Impl : public std::enable_shared_from_this<Client::Impl> {
 public:
  Impl(EventLoop& loop, Transport& transport, std::string endpoint, Random random,
       ClientOptions options, const ServiceTable* services)
      : loop_(loop),
        transport_(transport),
        endpoint_(std::move(endpoint)),
        random_(random),
        options_(options),
        services_(services),
        backoff_(options.backoff_min),
        retry_timer_(loop),
        expiry_timer_(loop) {}

  void Call(const MethodInfo& method, std::string body, CallOptions options,
            Peer::OnRawReply done) {
    const Duration timeout = options.timeout.count() == 0 ? method.timeout : options.timeout;
    const TimePoint deadline = timeout.count() > 0 ? loop_.Now() + timeout : TimePoint::max();
    Request request{method, std::move(body), std::move(options), deadline, std::move(done)};
    if (state_ == State::kConnected && peer_->IsOpen()) return Send(++last_id_, std::move(request));
    if (state_ == State::kGone) {
      // The client has given up for good. A call made now learns the reason that all others got.
      FailLater(std::move(request), gone_reason_);
    } else if (request.options.descriptor >= 0) {
      // The descriptor is the caller's, who may close it before a connection could carry it.
      FailLater(std::move(request),
                Error(ErrorCode::kUnavailable, "not connected to {}", endpoint_));
    } else if (held_.size() >= options_.waiting_calls_max) {
      FailLater(std::move(request),
                Error(ErrorCode::kResourceExhausted,
                      "{} calls wait for a connection to {}, which is the bound", held_.size(),
                      endpoint_));
    } else {
      // Nothing was sent yet, so even a call that must run at most once can wait.
      Hold(++last_id_, std::move(request));
      Connect();
    }
  }

  void Notify(const MethodInfo& method, std::string body) const {
    if (state_ == State::kConnected) peer_->NotifyRaw(method, std::move(body));
  }

  void Connect() {
    if (state_ != State::kIdle) return;
    state_ = State::kAway;
    away_since_ = loop_.Now();
    Attempt();
  }

  void Stop() {
    if (stopped_) return;
    stopped_ = true;
    // From here on it is as if the client had given up, but nobody is told: the one who stops it
    // knows. Calls in flight end with the peer; held ones end here.
    const Error reason(ErrorCode::kCancelled,
                       fmt::format("the client of {} was stopped", endpoint_));
    if (state_ != State::kGone) gone_reason_ = reason;
    state_ = State::kGone;
    retry_timer_.Cancel();
    expiry_timer_.Cancel();
    if (peer_) peer_->Close();
    peer_.reset();
    for (auto& [id, request] : std::exchange(held_, {})) FailLater(std::move(request), reason);
  }

  EventLoop& loop_;
  Transport& transport_;
  const std::string endpoint_;
  std::unique_ptr<Peer> peer_;  // set exactly in kConnected
  std::vector<std::function<void(Peer&)>> on_connected_;
  std::vector<std::function<void(const Error&)>> on_disconnected_;
  std::vector<std::function<void(const Error&)>> on_gone_;
  enum class State : std::uint8_t { kIdle, kAway, kConnected, kGone } state_ = State::kIdle;

 private:
  void FailLater(Request request, const Error& reason) {
    loop_.Post([done = std::move(request.done), error = Error(reason)]() mutable {
      done(Fail(std::move(error)));
    });
  }

  void Send(std::uint64_t id, Request request) {
    CallOptions options;
    options.attachment = request.options.attachment;
    options.descriptor = request.options.descriptor;
    options.attachment_bytes_max = request.options.attachment_bytes_max;
    options.place_attachment = std::move(request.options.place_attachment);
    options.timeout = request.deadline == TimePoint::max()
                          ? Duration(-1)
                          : std::max(request.deadline - loop_.Now(), Duration(1));
    request.options.place_attachment = nullptr;
    // Only a call that may be sent again keeps its body: the others save the copy.
    const bool repeatable = request.IsRepeatable() && !options.place_attachment;
    std::string body = repeatable ? request.body : std::move(request.body);
    const MethodInfo method = request.method;
    //! [call-again]
    peer_->CallRaw(method, std::move(body), std::move(options),
                   [weak = weak_from_this(), id, repeatable,
                    request = std::move(request)](Result<RawReply> reply) mutable {
                     const auto self = weak.lock();
                     if (self && repeatable && !reply && self->WasLost(reply.error())) {
                       // The connection broke before the answer came. The server may have run the
                       // call or not; running it twice is allowed, so it waits for the next one.
                       self->Hold(id, std::move(request));
                     } else {
                       request.done(std::move(reply));
                     }
                   });
    //! [call-again]
  }

  /// True while a lost connection hands back the calls that were in flight.
  bool WasLost(const Error& error) const {
    return error.code() == ErrorCode::kUnavailable && state_ == State::kConnected &&
           !peer_->IsOpen();
  }

  void Hold(std::uint64_t id, Request request) {
    if (request.deadline != TimePoint::max()) expiries_.emplace(request.deadline, id);
    held_.emplace(id, std::move(request));
    ArmExpiry();
  }

  void ArmExpiry() {
    if (expiries_.empty()) return expiry_timer_.Cancel();
    const Duration wait = expiries_.begin()->first - loop_.Now();
    expiry_timer_.Set(std::max(wait, Duration(0)), [this] { Expire(); });
  }

  void Expire() {
    const TimePoint now = loop_.Now();
    while (!expiries_.empty() && expiries_.begin()->first <= now) {
      // It never was sent, or the server was away since. The reason of the last attempt says more
      // than the deadline does.
      const auto it = held_.find(expiries_.begin()->second);
      expiries_.erase(expiries_.begin());
      FailLater(std::move(it->second), Error(ErrorCode::kDeadlineExceeded,
                                             "no connection in time: " + last_failure_.message()));
      held_.erase(it);
    }
    ArmExpiry();
  }

  void Attempt() {
    transport_.Connect(endpoint_, options_.connect_timeout,
                       [weak = weak_from_this()](Result<std::unique_ptr<Connection>> made) {
                         const auto self = weak.lock();
                         if (!self || self->state_ != State::kAway) return;  // stopped meanwhile
                         if (made) {
                           self->OnUp(std::move(*made));
                         } else {
                           self->OnFailure(made.error());
                         }
                       });
  }

  void OnUp(std::unique_ptr<Connection> connection) {
    peer_ = std::make_unique<Peer>(loop_, std::move(connection), services_);
    state_ = State::kConnected;
    up_since_ = loop_.Now();
    peer_->OnClosed([weak = weak_from_this()](const Error& reason) {
      if (const auto self = weak.lock()) self->OnDown(reason);
    });
    // Before any held call goes out, the callbacks may register with the server again: a server
    // that has restarted does not know us. They may add callbacks, hence the copy.
    const auto callbacks = on_connected_;
    for (const auto& callback : callbacks) {
      if (peer_) callback(*peer_);
    }
    if (state_ != State::kConnected) return;  // a callback stopped the client
    // The peer watches the deadlines of what is sent. Calls leave in the order they were made.
    expiries_.clear();
    ArmExpiry();
    for (auto& [id, request] : std::exchange(held_, {})) Send(id, std::move(request));
  }

  void OnDown(const Error& reason) {
    last_failure_ = reason;
    state_ = State::kAway;
    away_since_ = loop_.Now();
    // A server that accepts and hangs up must not be asked in a tight loop: only a connection that
    // has lasted makes the next attempt an early one.
    if (away_since_ - *up_since_ > options_.backoff_max) backoff_ = options_.backoff_min;
    peer_.reset();
    RetryLater();
    const auto callbacks = on_disconnected_;
    for (const auto& callback : callbacks) callback(reason);
  }

  void OnFailure(const Error& reason) {
    last_failure_ = reason;
    const Duration away = loop_.Now() - away_since_;
    const Duration window = Window();
    if (IsFinal(reason.code())) {
      GiveUp(reason);  // the peer is there and refused us
    } else if (window.count() >= 0 && away >= window) {
      GiveUp(Error(ErrorCode::kUnavailable, reason.message()));
    } else {
      RetryLater();
    }
  }

  [[nodiscard]] Duration Window() const {
    return up_since_ ? options_.reconnect_window
                     : options_.first_window.value_or(options_.reconnect_window);
  }

  void RetryLater() {
    // Up to a quarter earlier or later, so that all clients of a server that restarts do not come
    // back in the same moment.
    Duration wait = std::chrono::duration_cast<Duration>(backoff_ * (0.75 + random_.Unit() / 2));
    if (const Duration window = Window(); window.count() > 0) {
      // One attempt falls on the end of the window: giving up is always based on a fresh failure.
      const TimePoint last_chance = away_since_ + window;
      wait = std::min(wait, std::max(last_chance - loop_.Now(), Duration(0)));
    }
    backoff_ = std::min(backoff_ * 2, options_.backoff_max);
    retry_timer_.Set(wait, [this] { Attempt(); });
  }

  /// The end of the reconnect window, or a refusal. There is no way back from kGone: what the
  /// server knew of us may be forgotten there, so our owner must start anew with another client.
  void GiveUp(const Error& reason) {
    state_ = State::kGone;
    gone_reason_ = reason;
    expiry_timer_.Cancel();
    expiries_.clear();
    for (auto& [id, request] : std::exchange(held_, {})) FailLater(std::move(request), reason);
    const auto callbacks = on_gone_;
    for (const auto& callback : callbacks) callback(reason);
  }

  Random random_;
  const ClientOptions options_;
  const ServiceTable* services_;
  bool stopped_ = false;
  Error gone_reason_;
  Error last_failure_{ErrorCode::kUnavailable, endpoint_ + ": no attempt has ended yet"};
  TimePoint away_since_{};
  std::optional<TimePoint> up_since_;
  Duration backoff_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Request> held_;             // by age: sent in the order called
  std::multimap<TimePoint, std::uint64_t> expiries_;  // exactly the held calls with a deadline
  Timer retry_timer_;
  Timer expiry_timer_;
};

Client::Client(EventLoop& loop, Transport& transport, std::string endpoint, Random random,
               ClientOptions options, const ServiceTable* services)
    : impl_(std::make_shared<Impl>(loop, transport, std::move(endpoint), random, options,
                                   services)) {}

Client::~Client() = default;

void Client::CallRaw(const MethodInfo& method, std::string body, CallOptions options,
                     Peer::OnRawReply done) {
  impl_->Call(method, std::move(body), std::move(options), std::move(done));
}

void Client::NotifyRaw(const MethodInfo& method, std::string body) {
  impl_->Notify(method, std::move(body));
}

void Client::Connect() { impl_->Connect(); }
void Client::OnConnected(std::function<void(Peer&)> callback) {
  impl_->on_connected_.push_back(std::move(callback));
}
void Client::OnDisconnected(std::function<void(const Error&)> callback) {
  impl_->on_disconnected_.push_back(std::move(callback));
}
void Client::OnGone(std::function<void(const Error&)> callback) {
  impl_->on_gone_.push_back(std::move(callback));
}
void Client::Flush() {
  if (impl_->peer_) impl_->peer_->Flush();
}
void Client::Stop() { impl_->Stop(); }

bool Client::IsConnected() const { return impl_->state_ == Impl::State::kConnected; }
bool Client::IsGone() const { return impl_->state_ == Impl::State::kGone; }
Peer* Client::peer() { return impl_->peer_.get(); }
const std::string& Client::endpoint() const { return impl_->endpoint_; }

}  // namespace mobula::transport::rpc
