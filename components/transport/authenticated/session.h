/// \file
/// \edge
/// \brief One side of one handshake (handshake.h), over a connection that is not proven yet.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "components/transport/handshake.h"
#include "components/transport/transport.h"

namespace mobula::transport::handshake {

class Introduction;
class Step;

enum class Side : std::uint8_t { kClient, kServer };

/// Runs the steps and ends in a proven connection or an error that was also told to the peer.
///
///     client:  kAwaitChallenge ──► kAwaitWelcome ──► kEnded
///     server:  kAwaitHello ──────► kAwaitProof ────► kEnded      any error, the timeout: kEnded
///
/// Threads: the state lock. Lifetime: shared by its owner and, while one of its own calls runs, by
/// that call; dropping it closes the connection and calls nobody.
class Session final : private ConnectionHandler, public std::enable_shared_from_this<Session> {
 public:
  using OnEnd = Done<std::unique_ptr<Connection>>;

  /// \param nonce 32 bytes nobody can foresee.
  Session(EventLoop& loop, Side side, std::unique_ptr<Connection> connection,
          std::shared_ptr<const HandshakeConfig> config, std::string nonce);

  /// Begins; `done` runs once, later. Errors: those of `Transport::Connect`.
  void Start(Duration timeout, OnEnd done);

 private:
  enum class Stage : std::uint8_t {
    kAwaitHello,
    kAwaitChallenge,
    kAwaitProof,
    kAwaitWelcome,
    kEnded,
  };

  Result<WritablePayload> PlaceAttachment(const FrameHeader& header,
                                          std::string_view body) override;
  void OnFrame(Frame frame) override;
  void OnClose(const Error& reason) override;

  void OnIntroduction(const Introduction& peer);
  void OnProof(const std::string& hmac);
  std::string Introduce(Step* step, Introduction* self);
  std::string Proof(Side prover) const;
  std::string Send(const Step& step);
  [[nodiscard]] std::optional<Error> Objection(const Introduction& peer) const;
  void Refuse(Error error);
  void End(std::optional<Error> error);

  const Side side_;
  std::unique_ptr<Connection> connection_;
  std::shared_ptr<const HandshakeConfig> config_;  // owners: transport, wiring, sessions
  const std::string nonce_;
  Stage stage_;
  std::string hello_;  // the opening messages as they were on the wire
  std::string challenge_;
  PeerIdentity peer_;
  OnEnd done_;
  Timer timeout_;
};

}  // namespace mobula::transport::handshake
