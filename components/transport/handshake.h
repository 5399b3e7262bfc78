/// \file
/// \brief The first four frames of every connection: who are you, and prove that you know the
/// token.
///
///     client                               server
///       Hello    {protocol, build, role, id, cluster, nonce_c}  →
///       ←  Challenge {protocol, build, role, id, cluster, nonce_s}  or Refusal {error}
///       Proof    {HMAC(token, "client" ‖ transcript)}           →
///       ←  Welcome   {HMAC(token, "server" ‖ transcript)}       or Refusal {error}
///
/// The transcript is both opening messages as sent, so nothing in them can be changed on the way.
/// The token itself never leaves the process. Each side that is told no is told why: wrong token,
/// other protocol version, other cluster. A peer that says nothing, says too much
/// (kUnauthenticatedLimits) or takes a server longer than `handshake_timeout` is cut off; a client
/// waits until the timeout of its `Connect`. At most `half_open_max` peers of a listener are in a
/// handshake at a time, `kWaitingPerHalfOpen` times as many wait unread for their turn, more are
/// closed at once. Who was not let in is a line of the server's log, with the reason; beyond
/// `kRefusalLinesMax` per `kRefusalInterval` they are counted only. TLS will wrap the connection
/// below this step: the `authenticated` transport decorates any other.
#pragma once

#include <memory>
#include <string>

#include "components/base/event_log.h"
#include "components/base/random.h"
#include "components/transport/transport.h"

namespace mobula::transport {

/// The cluster's secret. Has no printed form on purpose; proofs are compared in constant time.
class Token {
 public:
  Token() = default;
  explicit Token(std::string secret) : secret_(std::move(secret)) {}
  [[nodiscard]] bool IsEmpty() const { return secret_.empty(); }
  /// \return 32 bytes of HMAC-SHA256 over `message`. The only use of the secret.
  [[nodiscard]] std::string Sign(std::string_view message) const;
  /// \return the secret for writing it to its file; nothing else calls this.
  [[nodiscard]] const std::string& RevealForFile() const { return secret_; }

 private:
  std::string secret_;
};

inline constexpr std::size_t kWaitingPerHalfOpen = 32;
inline constexpr std::size_t kRefusalLinesMax = 20;  ///< Of one transport.
inline constexpr Duration kRefusalInterval = std::chrono::minutes(1);

/// How this process introduces itself and whom it lets in.
struct HandshakeConfig {
  PeerIdentity self;  ///< An empty `build` stands for `BuildName()`.
  Token token;        ///< Empty: the other side must have none either.
  Duration handshake_timeout = std::chrono::seconds(5);
  std::size_t half_open_max = 64;
  EventLog* log = nullptr;  ///< Gets the refusals; outlives the transport. Null: nobody does.
};

/// \return the build name of this library: version, compiler and protocol, "0.1.0-gcc12.2-p1".
[[nodiscard]] std::string BuildName();

/// \return a transport whose connections have passed the handshake: `Listen` hands out only proven
///         ones, `Connect` completes only then. Both sides must name the same cluster unless one
///         of them names none (it joins).
/// \param inner outlives the result. \param config shared with the caller, who may fill in `self`
///        (ids, cluster) later; owners: the transport and wiring.
[[nodiscard]] std::unique_ptr<Transport> MakeAuthenticatedTransport(
    Transport& inner, EventLoop& loop, Random random, std::shared_ptr<HandshakeConfig> config);

}  // namespace mobula::transport
