#include "components/transport/authenticated/session.h"

#include <openssl/crypto.h>
#include <unistd.h>

#include "components/transport/handshake.pb.h"
#include "components/transport/rpc/error_codec.h"

namespace mobula::transport::handshake {
namespace {

constexpr std::size_t kNonceBytes = 32;
constexpr std::string_view kHowToPassIt = "pass the right one with --token-file or MOBULA_TOKEN";

/// A stranger's text, fit for a log line.
std::string Printable(std::string_view text) {
  std::string safe(text.substr(0, 64));
  for (char& c : safe) {
    if (c < ' ' || c > '~') c = '?';
  }
  return safe;
}

std::string_view NameOf(Side side) { return side == Side::kClient ? "client" : "server"; }
Side OtherThan(Side side) { return side == Side::kClient ? Side::kServer : Side::kClient; }

/// A connection that knows who its peer is.
class ProvenConnection final : public Connection {
 public:
  ProvenConnection(std::unique_ptr<Connection> inner, PeerIdentity peer)
      : inner_(std::move(inner)), peer_(std::move(peer)) {}

  void SetHandler(ConnectionHandler* handler) override { inner_->SetHandler(handler); }
  void SetLimits(const ConnectionLimits& limits) override { inner_->SetLimits(limits); }
  void Send(Frame frame) override { inner_->Send(std::move(frame)); }
  void Flush() override { inner_->Flush(); }
  void Close() override { inner_->Close(); }
  [[nodiscard]] std::uint64_t QueuedBytes() const override { return inner_->QueuedBytes(); }
  [[nodiscard]] std::string Describe() const override { return inner_->Describe(); }
  [[nodiscard]] const PeerIdentity* Peer() const override { return &peer_; }

 private:
  std::unique_ptr<Connection> inner_;
  PeerIdentity peer_;
};

}  // namespace

Session::Session(EventLoop& loop, Side side, std::unique_ptr<Connection> connection,
                 std::shared_ptr<const HandshakeConfig> config, std::string nonce)
    : side_(side),
      connection_(std::move(connection)),
      config_(std::move(config)),
      nonce_(std::move(nonce)),
      stage_(side == Side::kClient ? Stage::kAwaitChallenge : Stage::kAwaitHello),
      timeout_(loop) {}

void Session::Start(Duration timeout, OnEnd done) {
  done_ = std::move(done);
  // A peer that stays silent, or sends one byte a minute, must not hold a place for ever.
  timeout_.Set(timeout, [this] {
    Refuse(Error(ErrorCode::kDeadlineExceeded, "the handshake was not finished in time"));
  });
  connection_->SetHandler(this);
  // The client speaks first. A server tells a stranger nothing before it has introduced itself.
  if (side_ == Side::kClient) {
    Step step;
    hello_ = Introduce(&step, step.mutable_hello());
  }
}

std::string Session::Introduce(Step* step, Introduction* self) {
  self->set_protocol(kProtocolVersion);
  self->set_build(config_->self.build.empty() ? BuildName() : config_->self.build);
  self->set_role(config_->self.role);
  self->set_id(config_->self.id);
  if (!config_->self.cluster.IsNil()) {
    self->set_cluster(std::string(config_->self.cluster.Binary()));
  }
  self->set_nonce(nonce_);
  self->set_has_token(!config_->token.IsEmpty());
  return Send(*step);
}

std::string Session::Send(const Step& step) {
  Frame frame;
  frame.header.kind = FrameKind::kHandshake;
  frame.body = step.SerializeAsString();
  std::string body = frame.body;
  connection_->Send(std::move(frame));
  connection_->Flush();
  return body;
}

Result<WritablePayload> Session::PlaceAttachment(const FrameHeader& /*header*/,
                                                 std::string_view /*body*/) {
  return Fail(ErrorCode::kCorrupt, "a handshake has no attachment");
}

void Session::OnFrame(Frame frame) {
  const auto self = shared_from_this();  // the end of the handshake drops its owner's share
  // No step brings a descriptor. One from a stranger would only use up ours.
  if (frame.descriptor >= 0) ::close(frame.descriptor);
  Step step;
  if (frame.header.kind != FrameKind::kHandshake || !step.ParseFromString(frame.body)) {
    Refuse(Error(ErrorCode::kCorrupt, "what came is no step of a handshake"));
  } else if (step.has_refusal()) {
    // The other side has looked at our introduction or proof, and says why it will not have us.
    End(rpc::FromStatus(step.refusal().error()));
  } else if (stage_ == Stage::kAwaitHello && step.has_hello()) {
    hello_ = frame.body;
    OnIntroduction(step.hello());
  } else if (stage_ == Stage::kAwaitChallenge && step.has_challenge()) {
    challenge_ = frame.body;
    OnIntroduction(step.challenge());
  } else if (stage_ == Stage::kAwaitProof && step.has_proof()) {
    OnProof(step.proof().hmac());
  } else if (stage_ == Stage::kAwaitWelcome && step.has_welcome()) {
    OnProof(step.welcome().hmac());
  } else {
    Refuse(Error(ErrorCode::kCorrupt, "the steps of the handshake came out of order"));
  }
}

void Session::OnIntroduction(const Introduction& peer) {
  // Nothing is proved yet: this only finds mistakes (another version, another cluster, no token)
  // while they can still be named. A liar gets as far as the proof and fails there.
  if (auto objection = Objection(peer)) return Refuse(std::move(*objection));
  peer_ = {.role = Printable(peer.role()),
           .build = Printable(peer.build()),
           .cluster = ClusterId::FromBinaryOrNil(peer.cluster()),
           .id = Printable(peer.id())};
  Step step;
  if (side_ == Side::kServer) {
    // Our fresh nonce is part of what the client must sign, so an old recording is worth nothing.
    challenge_ = Introduce(&step, step.mutable_challenge());
    stage_ = Stage::kAwaitProof;
  } else {
    // The client proves itself first; the server signs nothing for somebody who cannot.
    step.mutable_proof()->set_hmac(Proof(Side::kClient));
    Send(step);
    stage_ = Stage::kAwaitWelcome;
  }
}

std::optional<Error> Session::Objection(const Introduction& peer) const {
  const HandshakeConfig& config = *config_;
  const std::string_view me = NameOf(side_);
  const std::string_view other = NameOf(OtherThan(side_));
  if (peer.protocol() != kProtocolVersion) {
    return Error(ErrorCode::kVersionMismatch,
                 "the {} speaks protocol {} (build {}), the {} protocol {} (build {}); "
                 "build both from the same version",
                 other, peer.protocol(), Printable(peer.build()), me, kProtocolVersion,
                 config.self.build.empty() ? BuildName() : config.self.build);
  }
  // A process that joins does not know the cluster's id yet and sends none.
  const bool has_cluster = !peer.cluster().empty();
  if (peer.nonce().size() != kNonceBytes ||
      (has_cluster && peer.cluster().size() != ClusterId::kSize)) {
    return Error(ErrorCode::kCorrupt, "the {}'s introduction is not valid", other);
  }
  if (has_cluster && !config.self.cluster.IsNil() &&
      peer.cluster() != config.self.cluster.Binary()) {
    return Error(ErrorCode::kPermissionDenied, "the {} belongs to cluster {}, the {} to cluster {}",
                 other, ClusterId::FromBinaryOrNil(peer.cluster()).Hex(), me,
                 config.self.cluster.Hex());
  }
  if (peer.has_token() == !config.token.IsEmpty()) return std::nullopt;
  return Error(
      ErrorCode::kPermissionDenied,
      fmt::format("the {} has no token and the {} has one; {}", peer.has_token() ? me : other,
                  peer.has_token() ? other : me, kHowToPassIt));
}

//! [proof]
/// \return what `prover` sends to show that it knows the token and saw the same openings.
std::string Session::Proof(Side prover) const {
  std::string message(NameOf(prover));
  for (const std::string* part : {&hello_, &challenge_}) {
    message += fmt::format("|{}|", part->size());  // so that no byte can move between the two
    message += *part;
  }
  return config_->token.Sign(message);
}
//! [proof]

void Session::OnProof(const std::string& hmac) {
  // Each side signs its own name with both openings, so a proof cannot be sent back to its author.
  // The comparison takes the same time wherever the first difference is.
  const std::string wanted = Proof(OtherThan(side_));
  if (hmac.size() != wanted.size() || CRYPTO_memcmp(hmac.data(), wanted.data(), hmac.size()) != 0) {
    return Refuse(Error(ErrorCode::kPermissionDenied, "the token does not match this cluster's; {}",
                        kHowToPassIt));
  }
  if (side_ == Side::kServer) {
    // The client has proved that it knows the token. Now we prove the same to it.
    Step step;
    step.mutable_welcome()->set_hmac(Proof(Side::kServer));
    Send(step);
  }
  End(std::nullopt);
}

void Session::OnClose(const Error& reason) {
  const auto self = shared_from_this();
  // The peer went away, or did not like us without saying why.
  End(Error(reason.code(), reason.message() + ", before the handshake was finished"));
}

void Session::Refuse(Error error) {
  const auto self = shared_from_this();
  Step step;
  rpc::ToStatus(error, step.mutable_refusal()->mutable_error());
  Send(step);
  End(std::move(error));
}

void Session::End(std::optional<Error> error) {
  // A refusal, a timeout and a lost connection may come together: the first one counts.
  if (stage_ == Stage::kEnded) return;
  stage_ = Stage::kEnded;
  timeout_.Cancel();
  // Moved out first: the owner may drop its share of this session inside the call.
  auto done = std::move(done_);
  if (error) {
    // A close sends what is queued first: the refusal reaches the other side.
    connection_->Close();
    done(Fail(std::move(*error)));
    return;
  }
  // What follows on the connection is for its next handler, within the bounds of a known peer.
  connection_->SetHandler(nullptr);
  connection_->SetLimits(ConnectionLimits{});
  done(std::make_unique<ProvenConnection>(std::move(connection_), std::move(peer_)));
}

}  // namespace mobula::transport::handshake
