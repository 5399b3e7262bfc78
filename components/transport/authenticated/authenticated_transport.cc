// \edge: another transport behind the same interface
#include <deque>
#include <map>

#include "components/base/lifetime.h"
#include "components/transport/authenticated/session.h"
#include "components/transport/handshake.h"

namespace mobula::transport {
namespace {

using handshake::Session;
using handshake::Side;

/// Makes sessions. A stranger who knows all past nonces cannot foresee the next: each is signed.
class SessionMaker {
 public:
  SessionMaker(EventLoop& loop, Random random, std::shared_ptr<HandshakeConfig> config)
      : loop(loop), config(std::move(config)), random_(random), interval_(loop) {}

  std::shared_ptr<Session> Make(Side side, std::unique_ptr<Connection> connection) {
    std::string draw = "nonce";
    for (int i = 0; i < 32; ++i) draw.push_back(static_cast<char>(random_.Next()));
    return std::make_shared<Session>(loop, side, std::move(connection), config,
                                     config->token.Sign(draw));
  }

  /// Strangers may knock as often as they like: that must not fill the disk.
  void LogRefusal(const std::string& peer, std::string_view why) {
    if (config->log == nullptr) return;
    // The first refusal after a quiet time opens an interval. Only so many of its lines are
    // written; the rest is counted, and told in one line at its end.
    if (!interval_.IsSet()) {
      refused_ = 0;
      interval_.Set(kRefusalInterval, [this] {
        if (refused_ <= kRefusalLinesMax) return;
        config->log->Info("peer", "refused", "left_out={}", refused_ - kRefusalLinesMax);
      });
    }
    if (++refused_ > kRefusalLinesMax) return;
    if (why.starts_with(peer + ": ")) why.remove_prefix(peer.size() + 2);
    config->log->Info("peer", "refused", R"(peer="{}" reason="{}")", peer, why);
  }

  EventLoop& loop;
  const std::shared_ptr<HandshakeConfig> config;  // owners: wiring, sessions, this

 private:
  Random random_;
  Timer interval_;           // runs from its first refusal
  std::size_t refused_ = 0;  // in this interval
};

/// The proven connections of one inner listener.
class AuthenticatedListener final : public Listener {
 public:
  AuthenticatedListener(std::shared_ptr<SessionMaker> maker, Transport::OnAccept on_accept)
      : maker_(std::move(maker)),
        on_accept_(std::make_shared<Transport::OnAccept>(std::move(on_accept))) {}

  Result<void> Open(Transport& inner, std::string_view endpoint) {
    // Connections of the inner listener are strangers. Those that prove themselves are handed on.
    auto made = inner.Listen(
        endpoint, alive_.Bind([this](std::unique_ptr<Connection> c) { Accept(std::move(c)); }));
    if (!made) return Fail(std::move(made.error()));
    inner_ = std::move(*made);
    return {};
  }
  [[nodiscard]] std::string Endpoint() const override { return inner_->Endpoint(); }

 private:
  void Accept(std::unique_ptr<Connection> connection) {
    const std::size_t bound = maker_->config->half_open_max;
    // Strangers cost memory and time until they have proved themselves, so few may be at it at
    // once. Some more wait in line, as all processes of a cluster may connect in the same moment.
    if (half_open_.size() < bound) {
      Begin(std::move(connection));
    } else if (waiting_.size() < bound * kWaitingPerHalfOpen) {
      waiting_.push_back(std::move(connection));
    } else {
      // The connection is closed on return, without a word: words would cost what the bound saves.
      maker_->LogRefusal(
          connection->Describe(),
          fmt::format("{} peers are in a handshake, and {} wait for it", bound, waiting_.size()));
    }
  }

  void Begin(std::unique_ptr<Connection> connection) {
    const std::uint64_t id = ++last_id_;
    std::string peer = connection->Describe();
    const auto session = maker_->Make(Side::kServer, std::move(connection));
    half_open_.emplace(id, session);
    session->Start(
        maker_->config->handshake_timeout,
        alive_.Bind([this, id, peer = std::move(peer)](Result<std::unique_ptr<Connection>> made) {
          // Proved or refused, its place is free for the next in line.
          half_open_.erase(id);
          if (!waiting_.empty()) {
            auto next = std::move(waiting_.front());
            waiting_.pop_front();
            Begin(std::move(next));
          }
          // The stranger was told why; the operator finds the same reason in the log.
          if (!made) return maker_->LogRefusal(peer, made.error().message());
          const auto on_accept = on_accept_;  // accepting may destroy this
          (*on_accept)(std::move(*made));
        }));
  }

  std::shared_ptr<SessionMaker> maker_;             // owners: the transport and its listeners
  std::shared_ptr<Transport::OnAccept> on_accept_;  // owners: this, and a call under way
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Session>> half_open_;
  std::deque<std::unique_ptr<Connection>> waiting_;
  std::unique_ptr<Listener> inner_;
  Lifetime alive_;
};

class AuthenticatedTransport final : public Transport {
 public:
  AuthenticatedTransport(Transport& inner, EventLoop& loop, Random random,
                         std::shared_ptr<HandshakeConfig> config)
      : inner_(inner), maker_(std::make_shared<SessionMaker>(loop, random, std::move(config))) {}

  Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint, OnAccept on_accept) override {
    auto listener = std::make_unique<AuthenticatedListener>(maker_, std::move(on_accept));
    auto opened = listener->Open(inner_, endpoint);
    if (!opened) return Fail(std::move(opened.error()));
    return listener;
  }

  void Connect(std::string_view endpoint, Duration timeout, OnConnect done) override {
    // The connection below is only the first step: the caller gets it when both sides have proved
    // that they know the token, or an error if one could not.
    inner_.Connect(
        endpoint, timeout,
        alive_.Bind([this, endpoint = std::string(endpoint), timeout,
                     done = std::move(done)](Result<std::unique_ptr<Connection>> made) mutable {
          if (!made) {
            done(Fail(std::move(made.error())));
          } else {
            Begin(std::move(endpoint), timeout, std::move(*made), std::move(done));
          }
        }));
  }
  [[nodiscard]] std::string_view Scheme() const override { return inner_.Scheme(); }
  [[nodiscard]] TransportAbilities Abilities() const override { return inner_.Abilities(); }

 private:
  void Begin(std::string endpoint, Duration timeout, std::unique_ptr<Connection> connection,
             OnConnect done) {
    const std::uint64_t id = ++last_id_;
    // The session is kept here while it lasts: if this transport goes, its unproven connections go
    // too.
    const auto session = maker_->Make(Side::kClient, std::move(connection));
    sessions_.emplace(id, session);
    session->Start(timeout,
                   alive_.Bind([this, id, endpoint = std::move(endpoint), done = std::move(done)](
                                   Result<std::unique_ptr<Connection>> made) mutable {
                     sessions_.erase(id);
                     // A refusal of the far side does not name the endpoint, and the caller may
                     // have tried several.
                     if (!made && !made.error().message().starts_with(endpoint)) {
                       done(Fail(std::move(made.error()).Context(endpoint)));
                     } else {
                       done(std::move(made));
                     }
                   }));
  }

  Transport& inner_;
  std::shared_ptr<SessionMaker> maker_;  // owners: this and its listeners
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::shared_ptr<Session>> sessions_;
  Lifetime alive_;
};

}  // namespace

std::unique_ptr<Transport> MakeAuthenticatedTransport(Transport& inner, EventLoop& loop,
                                                      Random random,
                                                      std::shared_ptr<HandshakeConfig> config) {
  return std::make_unique<AuthenticatedTransport>(inner, loop, random, std::move(config));
}

}  // namespace mobula::transport
