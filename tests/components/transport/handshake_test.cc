#include "components/transport/handshake.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "components/base/simulated/event_loop.h"
#include "components/transport/handshake.pb.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "components/transport/rpc/error_codec.h"

namespace mobula::transport {
namespace {

using handshake::Step;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

ClusterId Cluster(char c) { return ClusterId::FromBinaryOrNil(std::string(16, c)); }

/// Speaks raw frames.
class RawEnd final : public ConnectionHandler {
 public:
  Result<WritablePayload> PlaceAttachment(const FrameHeader& header, std::string_view) override {
    return WritablePayload::Allocate(header.attachment_bytes);
  }
  void OnFrame(Frame frame) override {
    Step step;
    EXPECT_TRUE(step.ParseFromString(frame.body));
    steps.push_back(step);
  }
  void OnClose(const Error& reason) override { closed = reason; }
  std::vector<Step> steps;
  std::optional<Error> closed;
};

class HandshakeTest : public testing::Test {
 protected:
  HandshakeTest() {
    server_config_->self = {.role = "gcs", .build = "", .cluster = Cluster('a'), .id = "5e"};
    server_config_->token = Token("secret");
    server_config_->log = &log_;
    client_config_->self = {.role = "raylet", .build = "", .cluster = {}, .id = "c1"};
    client_config_->token = Token("secret");
  }
  void Listen() {
    auto made = server_->Listen(
        "inproc://s", [this](auto connection) { accepted_.push_back(std::move(connection)); });
    ASSERT_TRUE(made);
    listener_ = std::move(*made);
  }
  Result<std::unique_ptr<Connection>> Connect() {
    Result<std::unique_ptr<Connection>> result = Fail(ErrorCode::kInternal, "not yet");
    client_->Connect("inproc://s", seconds(10), [&](auto made) { result = std::move(made); });
    loop_.RunReady();
    return result;
  }
  /// \return a connection that skips the handshake.
  std::unique_ptr<Connection> RawConnect(RawEnd& end) {
    std::unique_ptr<Connection> raw;
    inner_->Connect("inproc://s", seconds(1), [&](auto made) { raw = std::move(*made); });
    loop_.RunReady();
    raw->SetHandler(&end);
    return raw;
  }
  static void SendStep(Connection& connection, const Step& step) {
    Frame frame;
    frame.header.kind = FrameKind::kHandshake;
    frame.body = step.SerializeAsString();
    connection.Send(std::move(frame));
  }
  /// \return the details of the lines that the server logged.
  std::vector<std::string> Refusals() {
    std::vector<std::string> details;
    for (const std::string& line : lines_) {
      const std::size_t at = line.find("peer    refused  ");
      EXPECT_NE(at, std::string::npos) << line;
      details.push_back(line.substr(at + 17));
    }
    return details;
  }
  static Step Hello() {
    Step step;
    step.mutable_hello()->set_protocol(kProtocolVersion);
    step.mutable_hello()->set_build("other");
    step.mutable_hello()->set_nonce(std::string(32, 'n'));
    step.mutable_hello()->set_has_token(true);
    return step;
  }

  SimulatedEventLoop loop_{1};
  std::vector<std::string> lines_;
  EventLog log_{loop_.clock(), "s", LogLevel::kInfo,
                [this](LogLevel, std::string_view line) { lines_.emplace_back(line); }};
  std::unique_ptr<Transport> inner_ = MakeInprocessTransport(loop_);
  std::shared_ptr<HandshakeConfig> server_config_ = std::make_shared<HandshakeConfig>();
  std::shared_ptr<HandshakeConfig> client_config_ = std::make_shared<HandshakeConfig>();
  std::unique_ptr<Transport> server_ =
      MakeAuthenticatedTransport(*inner_, loop_, Random(1), server_config_);
  std::unique_ptr<Transport> client_ =
      MakeAuthenticatedTransport(*inner_, loop_, Random(2), client_config_);
  std::unique_ptr<Listener> listener_;
  std::vector<std::unique_ptr<Connection>> accepted_;
};

TEST_F(HandshakeTest, BothSidesKnowEachOtherAfterwards) {
  Listen();
  const auto made = Connect();
  ASSERT_TRUE(made) << made.error().ToString();
  ASSERT_EQ(accepted_.size(), 1U);
  ASSERT_NE((*made)->Peer(), nullptr);
  EXPECT_EQ((*made)->Peer()->role, "gcs");
  EXPECT_EQ((*made)->Peer()->id, "5e");
  EXPECT_EQ((*made)->Peer()->cluster, Cluster('a'));
  EXPECT_EQ((*made)->Peer()->build, BuildName());
  EXPECT_EQ(accepted_[0]->Peer()->role, "raylet");
  EXPECT_EQ(accepted_[0]->Peer()->id, "c1");
  EXPECT_TRUE(accepted_[0]->Peer()->cluster.IsNil());
}

TEST_F(HandshakeTest, BuildNameHasVersionCompilerAndProtocol) {
  EXPECT_THAT(BuildName(), testing::MatchesRegex("[0-9.]+-(gcc|clang)[0-9.]+-p1"));
}

TEST_F(HandshakeTest, SignaturesAreHmacSha256) {  // RFC 4231, test case 2
  EXPECT_EQ(ToHex(Token("Jefe").Sign("what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

struct Refused {
  const char* name;
  std::function<void(HandshakeConfig& client, HandshakeConfig& server)> change;
  ErrorCode code;
  std::vector<std::string> message_parts;
};

class HandshakeRefusalTest : public HandshakeTest, public testing::WithParamInterface<Refused> {};

TEST_P(HandshakeRefusalTest, IsToldToTheClient) {
  GetParam().change(*client_config_, *server_config_);
  Listen();
  const auto made = Connect();
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code(), GetParam().code);
  EXPECT_TRUE(made.error().message().starts_with("inproc://s: ")) << made.error().message();
  for (const std::string& part : GetParam().message_parts) {
    EXPECT_THAT(made.error().message(), HasSubstr(part));
  }
  EXPECT_TRUE(accepted_.empty());
  const std::string& said = made.error().message();
  const std::string told = said.substr(std::string_view("inproc://s: ").size());
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("reason=\"" + told + "\"")));
}

INSTANTIATE_TEST_SUITE_P(
    Table, HandshakeRefusalTest,
    testing::Values(
        Refused{"WrongToken",
                [](auto& client, auto&) { client.token = Token("Secret"); },
                ErrorCode::kPermissionDenied,
                {"the token does not match this cluster's; pass the right one with --token-file or "
                 "MOBULA_TOKEN"}},
        Refused{"MissingToken",
                [](auto& client, auto&) { client.token = Token(); },
                ErrorCode::kPermissionDenied,
                {"the client has no token and the server has one", "MOBULA_TOKEN"}},
        Refused{"ServerWithoutToken",
                [](auto&, auto& server) { server.token = Token(); },
                ErrorCode::kPermissionDenied,
                {"the server has no token and the client has one"}},
        Refused{"OtherCluster",
                [](auto& client, auto&) { client.self.cluster = Cluster('b'); },
                ErrorCode::kPermissionDenied,
                {"the client belongs to cluster " + Cluster('b').Hex(),
                 "the server to cluster " + Cluster('a').Hex()}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST_F(HandshakeTest, SameClusterAndNoTokensAtAllAreFine) {
  client_config_->self.cluster = Cluster('a');
  client_config_->token = Token();
  server_config_->token = Token();
  Listen();
  EXPECT_TRUE(Connect());
}

TEST_F(HandshakeTest, AnotherProtocolVersionIsToldBothVersionsAndBuilds) {
  Listen();
  RawEnd end;
  const auto raw = RawConnect(end);
  Step hello = Hello();
  hello.mutable_hello()->set_protocol(7);
  hello.mutable_hello()->set_build("9.9\n\x1b[31mevil");
  SendStep(*raw, hello);
  loop_.RunReady();
  ASSERT_EQ(end.steps.size(), 1U);
  const Error error = rpc::FromStatus(end.steps[0].refusal().error());
  EXPECT_EQ(error.code(), ErrorCode::kVersionMismatch);
  EXPECT_EQ(error.message(),
            "the client speaks protocol 7 (build 9.9??[31mevil), the server "
            "protocol 1 (build " +
                BuildName() + "); build both from the same version");
  EXPECT_TRUE(end.closed);
}

TEST_F(HandshakeTest, AServerThatDoesNotKnowTheTokenIsRefusedByTheClient) {
  std::unique_ptr<Connection> raw;
  RawEnd end;
  auto impostor = inner_->Listen("inproc://s", [&](auto made) {
    raw = std::move(made);
    raw->SetHandler(&end);
  });
  std::optional<Error> error;
  client_->Connect("inproc://s", seconds(10), [&](auto made) { error = made.error(); });
  loop_.RunReady();
  ASSERT_EQ(end.steps.size(), 1U);
  Step challenge;
  *challenge.mutable_challenge() = Hello().hello();
  SendStep(*raw, challenge);
  loop_.RunReady();
  ASSERT_EQ(end.steps.size(), 2U);
  Step welcome;  // all it can do is to send the client's proof back
  welcome.mutable_welcome()->set_hmac(end.steps[1].proof().hmac());
  SendStep(*raw, welcome);
  loop_.RunReady();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kPermissionDenied);
}

TEST_F(HandshakeTest, AProofOfAnotherConnectionIsWorthNothing) {
  Listen();
  const auto proof = [&](const std::string& replay) {
    RawEnd end;
    const auto raw = RawConnect(end);
    SendStep(*raw, Hello());
    loop_.RunReady();
    EXPECT_TRUE(end.steps.at(0).has_challenge());
    Step step;
    step.mutable_proof()->set_hmac(replay);
    SendStep(*raw, step);
    loop_.RunReady();
    EXPECT_TRUE(end.steps.at(1).has_refusal());
    return end.steps[0].challenge().nonce();
  };
  EXPECT_NE(proof(""), proof(Token("secret").Sign("client")));
  EXPECT_TRUE(accepted_.empty());
}

TEST_F(HandshakeTest, StepsOutOfOrderAndOtherFramesAreRefused) {
  Listen();
  Step proof;
  proof.mutable_proof()->set_hmac(std::string(32, 'x'));
  Step bad_nonce = Hello();
  bad_nonce.mutable_hello()->set_nonce("short");
  Step bad_cluster = Hello();
  bad_cluster.mutable_hello()->set_cluster("short");
  for (const Step& step : {proof, Step(), bad_nonce, bad_cluster}) {
    RawEnd end;
    const auto raw = RawConnect(end);
    SendStep(*raw, step);
    loop_.RunReady();
    ASSERT_EQ(end.steps.size(), 1U);
    EXPECT_EQ(rpc::FromStatus(end.steps[0].refusal().error()).code(), ErrorCode::kCorrupt);
    EXPECT_TRUE(end.closed);
  }
  RawEnd end;
  const auto raw = RawConnect(end);
  Frame request;
  request.header.kind = FrameKind::kRequest;
  raw->Send(std::move(request));
  loop_.RunReady();
  EXPECT_TRUE(end.closed);
  EXPECT_TRUE(accepted_.empty());
}

TEST_F(HandshakeTest, UnprovenPeersMaySayLittle) {
  Listen();
  RawEnd end;
  const auto raw = RawConnect(end);
  Frame frame;
  frame.header.kind = FrameKind::kHandshake;
  frame.body = std::string(5000, 'x');
  raw->Send(std::move(frame));
  loop_.RunReady();
  EXPECT_TRUE(end.closed);
  RawEnd other_end;
  const auto other = RawConnect(other_end);
  Frame with;
  with.header.kind = FrameKind::kHandshake;
  with.attachment = Payload::FromString("x");
  other->Send(std::move(with));
  loop_.RunReady();
  EXPECT_TRUE(other_end.closed);
}

TEST_F(HandshakeTest, LimitsAreRaisedAfterwardsAndFramesRightBehindAreKept) {
  Listen();
  auto made = Connect();
  ASSERT_TRUE(made);
  Frame big;
  big.body = std::string(1 << 20, 'x');
  (*made)->Send(std::move(big));
  loop_.RunReady();
  class Sink final : public ConnectionHandler {
   public:
    Result<WritablePayload> PlaceAttachment(const FrameHeader& h, std::string_view) override {
      return WritablePayload::Allocate(h.attachment_bytes);
    }
    void OnFrame(Frame frame) override { bytes += frame.body.size(); }
    void OnClose(const Error&) override {}
    std::size_t bytes = 0;
  } sink;
  accepted_.at(0)->SetHandler(&sink);
  loop_.RunReady();
  EXPECT_EQ(sink.bytes, std::size_t{1} << 20);
}

TEST_F(HandshakeTest, SilentPeersAreCutOffInTime) {
  Listen();
  RawEnd end;
  const auto raw = RawConnect(end);
  loop_.RunFor(milliseconds(4900));
  EXPECT_FALSE(end.closed);
  loop_.RunFor(milliseconds(100));
  loop_.RunReady();
  EXPECT_TRUE(end.closed);
  ASSERT_EQ(end.steps.size(), 1U);
  EXPECT_EQ(rpc::FromStatus(end.steps[0].refusal().error()).code(), ErrorCode::kDeadlineExceeded);
}

TEST_F(HandshakeTest, ASilentServerMakesConnectFailInTime) {
  std::unique_ptr<Connection> silent;
  auto listener = inner_->Listen("inproc://s", [&](auto made) { silent = std::move(made); });
  std::optional<Error> error;
  client_->Connect("inproc://s", seconds(10), [&](auto made) { error = made.error(); });
  loop_.RunFor(milliseconds(9900));
  EXPECT_FALSE(error);
  loop_.RunFor(milliseconds(100));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kDeadlineExceeded);
}

TEST_F(HandshakeTest, HalfOpenPeersAreBoundedAndOthersWaitTheirTurn) {
  server_config_->half_open_max = 2;
  Listen();
  std::vector<std::unique_ptr<RawEnd>> ends;
  std::vector<std::unique_ptr<Connection>> silent;
  for (int i = 0; i < 2; ++i) {
    ends.push_back(std::make_unique<RawEnd>());
    silent.push_back(RawConnect(*ends.back()));
  }
  bool connected = false;
  client_->Connect("inproc://s", seconds(10), [&](auto made) { connected = made.has_value(); });
  loop_.RunFor(seconds(4));
  EXPECT_FALSE(connected);
  loop_.RunFor(seconds(1));
  loop_.RunReady();
  EXPECT_TRUE(connected);
}

TEST_F(HandshakeTest, ABurstBeyondWhatMayWaitIsClosedAtOnce) {
  server_config_->half_open_max = 1;
  Listen();
  std::vector<std::unique_ptr<RawEnd>> ends;
  std::vector<std::unique_ptr<Connection>> silent;
  for (std::size_t i = 0; i < kWaitingPerHalfOpen + 2; ++i) {
    ends.push_back(std::make_unique<RawEnd>());
    silent.push_back(RawConnect(*ends.back()));
    loop_.RunReady();
    EXPECT_EQ(ends.back()->closed.has_value(), i == kWaitingPerHalfOpen + 1);
  }
  EXPECT_THAT(Refusals(), ElementsAre(HasSubstr("1 peers are in a handshake, and 32 wait")));
}

TEST_F(HandshakeTest, WhoIsRefusedIsLoggedWithPeerAndReason) {
  Listen();
  RawEnd end;
  const auto raw = RawConnect(end);
  Frame frame;
  frame.header.kind = FrameKind::kHandshake;
  frame.body = std::string(5000, 'x');
  raw->Send(std::move(frame));
  loop_.RunReady();
  EXPECT_THAT(
      Refusals(),
      ElementsAre("peer=\"inproc://client-1\" reason=\"a frame has a body of 5000 bytes, allowed "
                  "are 4096, before the handshake was finished\""));
  EXPECT_TRUE(Connect());
  EXPECT_EQ(lines_.size(), 1U);
}

TEST_F(HandshakeTest, RefusalsBeyondTheBoundAreCountedOnly) {
  client_config_->token = Token("wrong");
  Listen();
  for (std::size_t i = 0; i < kRefusalLinesMax + 3; ++i) EXPECT_FALSE(Connect());
  EXPECT_EQ(lines_.size(), kRefusalLinesMax);
  loop_.RunFor(kRefusalInterval);
  EXPECT_EQ(Refusals().back(), "left_out=3");
  EXPECT_FALSE(Connect());  // a new interval
  EXPECT_THAT(Refusals().back(), HasSubstr("does not match"));
  loop_.RunFor(kRefusalInterval);
  EXPECT_EQ(lines_.size(), kRefusalLinesMax + 2);  // nothing was left out
}

TEST_F(HandshakeTest, DamagedStepsNeverGetIn) {
  Listen();
  Random random(5);
  for (int round = 0; round < 500; ++round) {
    RawEnd end;
    const auto raw = RawConnect(end);
    Frame frame;
    frame.header.kind = FrameKind::kHandshake;
    frame.body = Hello().SerializeAsString();
    const std::uint64_t damage = random.Below(4);
    for (std::uint64_t i = 0; i < damage; ++i) {
      frame.body[random.Below(frame.body.size())] = static_cast<char>(random.Next());
    }
    raw->Send(frame);
    for (char& c : frame.body) c = static_cast<char>(random.Next());
    raw->Send(std::move(frame));
    loop_.RunReady();
    EXPECT_TRUE(end.closed);
  }
  EXPECT_TRUE(accepted_.empty());
}

TEST_F(HandshakeTest, MayBeDestroyedWhileHandshakesAreUnderWay) {
  Listen();
  client_->Connect("inproc://s", seconds(10), [](auto) { ADD_FAILURE(); });
  for (int i = 0; i < 3; ++i) loop_.RunOne();
  client_.reset();
  listener_.reset();
  server_.reset();
  loop_.RunUntilIdle(1000);
}

}  // namespace
}  // namespace mobula::transport
