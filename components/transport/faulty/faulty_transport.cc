#include "components/transport/faulty/faulty_transport.h"

#include <deque>
#include <variant>

#include "components/base/lifetime.h"
#include "components/transport/stream/descriptor.h"

namespace mobula::transport {
namespace {

using Direction = FaultRule::Direction;
using Effect = FaultRule::Effect;

/// What a transport shares with its connections.
struct Faults {
  Faults(EventLoop& l, Random r, std::shared_ptr<FaultPlan> p)
      : loop(l), random(r), plan(std::move(p)) {}

  EventLoop& loop;
  Random random;
  const std::shared_ptr<FaultPlan> plan;
};

class FaultyConnection final : public Connection, private ConnectionHandler {
 public:
  FaultyConnection(std::shared_ptr<Faults> faults, std::unique_ptr<Connection> inner)
      : faults_(std::move(faults)), inner_(std::move(inner)), timer_(faults_->loop) {}

  void SetHandler(ConnectionHandler* handler) override {
    // While there was no handler, a rule may have ended the connection, and late frames may have
    // become due. Both are told to the new one.
    handler_ = handler;
    // We stand between the inner connection and the handler. Without one, the inner connection
    // keeps what comes.
    inner_->SetHandler(handler == nullptr ? nullptr : this);
    if (handler == nullptr) return;
    if (is_unreported_) PostReport();
    Arm();
  }
  void SetLimits(const ConnectionLimits& limits) override { inner_->SetLimits(limits); }
  void Send(Frame frame) override {
    if (broken_) return;
    const FaultRule* rule = FindRule(Direction::kSend, frame.header);
    if (rule != nullptr && rule->effect == Effect::kCut) {
      EndByRule();
    } else if (rule != nullptr || !outgoing_.empty()) {
      // Frames behind a late one are late, too: order is a promise that even a bad network keeps.
      outgoing_bytes_ += frame.body.size() + frame.attachment.size();
      Outgoing late{std::move(frame), {}};
      if (late.frame.descriptor >= 0) {  // the caller's may be closed by then
        late.descriptor = Descriptor::Duplicate(late.frame.descriptor);
        late.frame.descriptor = late.descriptor.get();
      }
      Queue(outgoing_, rule, std::move(late));
    } else {
      // No rule, and nothing late before it: the frame passes as if we were not there.
      inner_->Send(std::move(frame));
    }
  }
  void Flush() override { inner_->Flush(); }
  void Close() override {
    // A close sends what is queued. Late frames count as queued.
    while (!outgoing_.empty()) SendFirst();
    inner_->Close();
    // Nothing may come of the connection after this, whatever the inner one still delivers.
    broken_ = true;
    incoming_.clear();
    handler_ = nullptr;
    timer_.Cancel();
  }
  [[nodiscard]] std::uint64_t QueuedBytes() const override {
    return inner_->QueuedBytes() + outgoing_bytes_;
  }
  [[nodiscard]] std::string Describe() const override { return inner_->Describe(); }
  [[nodiscard]] const PeerIdentity* Peer() const override { return inner_->Peer(); }

 private:
  template <typename T>
  using Line = std::deque<std::pair<TimePoint, T>>;
  struct Outgoing {
    Frame frame;
    Descriptor descriptor;
  };
  using Incoming = std::variant<Frame, Error>;  // the error is the end

  Result<WritablePayload> PlaceAttachment(const FrameHeader& header,
                                          std::string_view body) override {
    return handler_->PlaceAttachment(header, body);
  }
  void OnFrame(Frame frame) override {
    const FaultRule* rule = FindRule(Direction::kReceive, frame.header);
    if (rule != nullptr && rule->effect == Effect::kCut) {
      // The frame is lost with the connection, and the descriptor that came with it is ours to
      // close.
      const Descriptor dropped(frame.descriptor);
      EndByRule();
    } else if (rule != nullptr || !incoming_.empty()) {
      // Late frames are kept here and not below, so that the inner connection reads on as it would.
      Queue<Incoming>(incoming_, rule, std::move(frame));
    } else {
      handler_->OnFrame(std::move(frame));
    }
  }
  void OnClose(const Error& reason) override {
    if (broken_) return;
    // The end comes after all frames that came before it.
    if (incoming_.empty()) {
      // This is the last event of the connection. The handler may destroy us, so nothing follows.
      broken_ = true;
      std::exchange(handler_, nullptr)->OnClose(reason);
    } else {
      Queue<Incoming>(incoming_, nullptr, reason);
    }
  }

  /// \return the rule that this frame falls to, or null.
  const FaultRule* FindRule(Direction direction, const FrameHeader& header) {
    auto& rules = faults_->plan->rules;
    matches_.resize(rules.size());
    for (std::size_t i = 0; i < rules.size(); ++i) {
      FaultRule& rule = rules[i];
      // A rule that has struck `times_max` times is spent and matches nothing.
      const bool matches = rule.direction == direction && rule.times_max > 0 &&
                           rule.kind.value_or(header.kind) == header.kind &&
                           rule.method.value_or(header.method) == header.method;
      if (!matches) continue;
      // `at_frame` counts on each connection alone, `times` over all of them.
      ++matches_[i];
      if (rule.at_frame != 0 && matches_[i] != rule.at_frame) continue;
      if (!faults_->random.Chance(rule.probability)) continue;
      if (rule.times_max != UINT64_MAX) --rule.times_max;
      return &rule;
    }
    return nullptr;
  }

  template <typename T>
  void Queue(Line<T>& line, const FaultRule* rule, T thing) {
    // A later frame with a shorter delay must not overtake: it is due no earlier than the one
    // before.
    const TimePoint due = faults_->loop.Now() + (rule != nullptr ? rule->delay : Duration(0));
    line.emplace_back(line.empty() ? due : std::max(due, line.back().first), std::move(thing));
    Arm();
  }

  void Arm() {
    TimePoint next = TimePoint::max();
    if (!outgoing_.empty()) next = outgoing_.front().first;
    if (!incoming_.empty() && handler_ != nullptr) next = std::min(next, incoming_.front().first);
    // What arrives waits for a handler, however late it is already.
    if (next == TimePoint::max()) return;
    timer_.Set(std::max(next - faults_->loop.Now(), Duration(0)), [this] { Pass(); });
  }

  /// Lets pass what is due: all that leaves, and one that arrives, whose handler may destroy this.
  void Pass() {
    const TimePoint now = faults_->loop.Now();
    while (!outgoing_.empty() && outgoing_.front().first <= now) SendFirst();
    inner_->Flush();
    if (handler_ == nullptr || incoming_.empty() || incoming_.front().first > now) return Arm();
    Incoming arrived = std::move(incoming_.front().second);
    incoming_.pop_front();
    Arm();
    if (Frame* frame = std::get_if<Frame>(&arrived)) {
      handler_->OnFrame(std::move(*frame));
    } else {
      broken_ = true;
      std::exchange(handler_, nullptr)->OnClose(std::get<Error>(arrived));
    }
  }

  void SendFirst() {
    Outgoing late = std::move(outgoing_.front().second);
    outgoing_.pop_front();
    outgoing_bytes_ -= late.frame.body.size() + late.frame.attachment.size();
    inner_->Send(std::move(late.frame));
  }

  /// Ends the connection as a broken network would.
  void EndByRule() {
    // Both sides notice: the inner close tells the peer, and the report our own handler, later, as
    // this runs inside its call.
    broken_ = true;
    // The handler is told in a later turn: it may be in the middle of sending the frame that was
    // lost.
    is_unreported_ = true;
    // Frames that were late are lost with the connection, as in the buffers of a broken network.
    outgoing_.clear();
    incoming_.clear();
    inner_->Close();
    PostReport();
  }

  void PostReport() {
    faults_->loop.Post(alive_.Bind([this] {
      // Without a handler the report waits for the next one. It is made once.
      if (handler_ == nullptr || !std::exchange(is_unreported_, false)) return;
      std::exchange(handler_, nullptr)
          ->OnClose(Error(ErrorCode::kUnavailable, "{}: cut by a fault rule", inner_->Describe()));
    }));
  }

  std::shared_ptr<Faults> faults_;  // owners: the transport and its connections
  std::unique_ptr<Connection> inner_;
  ConnectionHandler* handler_ = nullptr;
  bool broken_ = false;                 // nothing passes any more
  bool is_unreported_ = false;          // and the handler has still to be told
  std::vector<std::uint64_t> matches_;  // of each rule on this connection
  Line<Outgoing> outgoing_;
  Line<Incoming> incoming_;
  std::uint64_t outgoing_bytes_ = 0;
  Timer timer_;
  Lifetime alive_;
};

class FaultyTransport final : public Transport {
 public:
  FaultyTransport(std::unique_ptr<Transport> inner, EventLoop& loop, Random random,
                  std::shared_ptr<FaultPlan> plan)
      : inner_(std::move(inner)),
        faults_(std::make_shared<Faults>(loop, random, std::move(plan))) {}

  Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint, OnAccept on_accept) override {
    auto shared = std::make_shared<OnAccept>(std::move(on_accept));  // owner: the callback
    return inner_->Listen(endpoint, [faults = faults_, shared](std::unique_ptr<Connection> made) {
      (*std::shared_ptr(shared))(  // a copy: accepting may destroy the listener
          std::make_unique<FaultyConnection>(faults, std::move(made)));
    });
  }
  void Connect(std::string_view endpoint, Duration timeout, OnConnect done) override {
    // Refused without a word to the inner transport: the far side must not see an attempt.
    if (faults_->random.Chance(faults_->plan->refuse_connects)) {
      return faults_->loop.Post(
          alive_.Bind([endpoint = std::string(endpoint), done = std::move(done)]() mutable {
            done(Fail(ErrorCode::kUnavailable, "{}: refused by a fault rule", endpoint));
          }));
    }
    inner_->Connect(endpoint, timeout,
                    alive_.Bind([faults = faults_, done = std::move(done)](
                                    Result<std::unique_ptr<Connection>> made) mutable {
                      if (!made) {
                        done(Fail(std::move(made.error())));
                      } else {
                        done(std::make_unique<FaultyConnection>(faults, std::move(*made)));
                      }
                    }));
  }
  [[nodiscard]] std::string_view Scheme() const override { return inner_->Scheme(); }
  [[nodiscard]] TransportAbilities Abilities() const override { return inner_->Abilities(); }

 private:
  std::unique_ptr<Transport> inner_;
  std::shared_ptr<Faults> faults_;  // owners: this and its connections
  Lifetime alive_;
};

FaultRule ReadRule(ConfigReader& reader) {
  FaultRule rule;
  const std::string direction = reader.Text("direction", "send");
  const std::string effect = reader.Text("effect", "cut");
  const std::string frame = reader.Text("frame", "any");
  if (direction != "send" && direction != "receive") {
    reader.Reject("direction", "is send or receive");
  }
  if (effect != "cut" && effect != "delay") reader.Reject("effect", "is cut or delay");
  if (direction == "receive") rule.direction = FaultRule::Direction::kReceive;
  if (effect == "delay") rule.effect = FaultRule::Effect::kDelay;
  if (frame == "request") rule.kind = FrameKind::kRequest;
  if (frame == "reply") rule.kind = FrameKind::kReply;
  if (frame == "notify") rule.kind = FrameKind::kNotify;
  if (!rule.kind && frame != "any") reader.Reject("frame", "is any, request, reply or notify");
  if (reader.Has("method")) rule.method = reader.Integer("method", 0U, 0, UINT32_MAX);
  rule.at_frame = reader.Integer("at_frame", rule.at_frame, 0, INT64_MAX);
  rule.probability = reader.Number("probability", 1, 0, 1);
  if (reader.Has("times")) rule.times_max = reader.Integer("times", std::uint64_t{1}, 0, INT64_MAX);
  rule.delay = reader.Time("delay", {});
  return rule;
}

}  // namespace

std::unique_ptr<Transport> MakeFaultyTransport(std::unique_ptr<Transport> inner, EventLoop& loop,
                                               Random random, std::shared_ptr<FaultPlan> plan) {
  return std::make_unique<FaultyTransport>(std::move(inner), loop, random, std::move(plan));
}

Result<std::unique_ptr<Transport>> MakeFaulty(ConfigReader& config,
                                              const Transport::Context& context) {
  auto plan = std::make_shared<FaultPlan>();
  plan->refuse_connects = config.Number("refuse_connects", 0, 0, 1);
  const ConfigValue& inner_config = config.Child("inner");
  const ConfigValue& rules = config.Child("rules");
  for (const ConfigValue& rule : rules.list() != nullptr ? *rules.list() : ConfigValue::List()) {
    ConfigReader rule_reader(rule, config.path() + ".rules");
    plan->rules.push_back(ReadRule(rule_reader));
    if (auto read = rule_reader.Finish(); !read) return Fail(std::move(read.error()));
  }
  // Without `inner` it wraps what would serve here if the section were empty: between processes of
  // a node that is not tcp, and a node that listened to other sockets than usual would test those.
  auto inner =
      context.kinds.Make(inner_config, config.path() + ".inner", context.usual_kind, context);
  if (!inner) return Fail(std::move(inner.error()));
  return MakeFaultyTransport(std::move(*inner), context.loop, context.random.Fork("faulty"),
                             std::move(plan));
}

}  // namespace mobula::transport
