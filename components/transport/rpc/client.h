/// \file
/// \brief A `Client` stays connected to one endpoint and retries what may be retried.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "components/base/lifetime.h"
#include "components/base/random.h"
#include "components/base/task.h"
#include "components/transport/rpc/peer.h"

namespace mobula::transport::rpc {

/// How a client behaves when its server is away.
struct ClientOptions {
  Duration connect_timeout = std::chrono::seconds(10);
  Duration backoff_min = std::chrono::milliseconds(20);  ///< Doubles per failure, ±25 % by chance.
  Duration backoff_max = std::chrono::seconds(1);
  /// Give up after being away this long; zero: at the first failed attempt, negative: never.
  Duration reconnect_window{0};
  std::optional<Duration> first_window{};   ///< The same before the first connection, if other.
  std::size_t waiting_calls_max = 100'000;  ///< Calls held while connecting.
};

/// One endpoint, many calls.
///
/// Connects at the first call (or `Connect`), holds calls until then, fails calls in flight with
/// kUnavailable when the connection drops, except idempotent ones, which are sent again until their
/// deadline. It gives up when away for `reconnect_window`, and at once when it is refused for
/// good (kPermissionDenied, kVersionMismatch, kInvalidArgument); then all calls fail with that code
/// or kUnavailable and `OnGone` runs.
/// Threads: the state lock. Lifetime: transport and services outlive it; destroyed, it calls
/// nobody.
class Client {
 public:
  Client(EventLoop& loop, Transport& transport, std::string endpoint, Random random,
         ClientOptions options = {}, const ServiceTable* services = nullptr);
  ~Client();

  template <typename M>
  void Call(const M& method, const typename M::Request& request, Done<typename M::Reply> done,
            CallOptions options = {}) {
    CallRaw(method, request.SerializeAsString(), std::move(options),
            [done = std::move(done), &method](Result<RawReply> raw) mutable {
              done(Peer::Parse<typename M::Reply>(method, std::move(raw)));
            });
  }
  /// Retries keep body and options; `place_attachment` and `descriptor` make a call non-retryable,
  /// and a call with a descriptor is not held: kUnavailable while not connected.
  void CallRaw(const MethodInfo& method, std::string body, CallOptions options,
               Peer::OnRawReply done);
  template <typename M>
  void Notify(const M& method, const typename M::Request& request) {
    NotifyRaw(method, request.SerializeAsString());
  }
  void NotifyRaw(const MethodInfo& method, std::string body);  ///< Dropped when away.

  /// As a coroutine: `auto reply = co_await client.CallAsync(kMethod, request);`
  template <typename M>
  Task<typename M::Reply> CallAsync(const M& method, typename M::Request request) {
    co_return co_await AwaitCallback<typename M::Reply>(
        [this, &method, &request](auto done) { this->Call(method, request, std::move(done)); });
  }

  /// Connects now. `OnConnected` runs at every (re)connection, before held calls are sent: a place
  /// to register again. `OnGone` runs once, when the client gives up. Each adds a callback.
  void Connect();
  void OnConnected(std::function<void(Peer&)> callback);
  void OnDisconnected(std::function<void(const Error&)> callback);
  void OnGone(std::function<void(const Error&)> callback);
  void Flush();
  /// Closes, fails all calls with kCancelled, never reconnects. Twice is harmless.
  void Stop();

  [[nodiscard]] bool IsConnected() const;
  [[nodiscard]] bool IsGone() const;
  [[nodiscard]] Peer* peer();  ///< Null while not connected.
  [[nodiscard]] const std::string& endpoint() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // owner: this client; callbacks in flight hold it weakly
};

}  // namespace mobula::transport::rpc
