#include "components/transport/rpc/peer.h"

#include "components/transport/rpc/error_codec.h"
#include "tests/components/transport/rpc/rpc_fixture.h"

namespace mobula::transport::rpc {
namespace {

using testing::Test;
using Seen = std::vector<std::string>;

class PeerTest : public RpcTest {
 protected:
  PeerTest() { Serve(); }
  Seen seen_;
};

TEST_F(PeerTest, RepliesReachTheirCallsInOrder) {
  const auto peer = Connect();
  for (int i = 0; i < 5; ++i) peer->Call(kEcho, Text(std::to_string(i)), Record(seen_));
  EXPECT_TRUE(seen_.empty());
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"0", "1", "2", "3", "4"}));
  EXPECT_EQ(loop_.Now(), TimePoint{});
}

TEST_F(PeerTest, RepliesMayOvertakeEachOther) {
  const auto peer = Connect();
  peer->Call(kHold, Text("slow"), Record(seen_));
  peer->Call(kEcho, Text("fast"), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"fast"}));
  EchoReply reply;
  reply.set_text("slow");
  held_.at(0)(reply);
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"fast", "slow"}));
}

TEST_F(PeerTest, DeadlineEndsTheCallAndTellsTheServer) {
  const auto peer = Connect();
  peer->Call(kHold, Text("x"), Record(seen_), {.timeout = seconds(2)});
  loop_.RunFor(milliseconds(1999));
  EXPECT_TRUE(seen_.empty());
  ASSERT_EQ(held_.size(), 1U);
  EXPECT_FALSE(held_[0].IsAbandoned());
  loop_.RunFor(milliseconds(1));
  EXPECT_EQ(seen_, (Seen{"deadline_exceeded"}));
  loop_.RunReady();
  EXPECT_TRUE(held_[0].IsAbandoned());
  held_[0](EchoReply());  // late: nobody hears it
  loop_.RunReady();
  EXPECT_EQ(seen_.size(), 1U);
}

TEST_F(PeerTest, DeadlinesOfManyCallsEachComeInTime) {
  const auto peer = Connect();
  for (const int ms : {300, 100, 200}) {
    peer->Call(kHold, Text(""),
               [this, ms](auto reply) {
                 EXPECT_EQ(reply.error().code(), ErrorCode::kDeadlineExceeded);
                 EXPECT_EQ(loop_.Now(), TimePoint(milliseconds(ms)));
                 seen_.push_back(std::to_string(ms));
               },
               {.timeout = milliseconds(ms)});
  }
  loop_.RunUntilIdle(1000);
  EXPECT_EQ(seen_, (Seen{"100", "200", "300"}));
}

TEST_F(PeerTest, NegativeTimeoutWaitsForEver) {
  const auto peer = Connect();
  peer->Call(kHold, Text(""), Record(seen_), {.timeout = seconds(-1)});
  loop_.RunFor(std::chrono::hours(1000));
  EXPECT_TRUE(seen_.empty());
}

TEST_F(PeerTest, TheHandlerLearnsTheDeadline) {
  const auto peer = Connect();
  peer->Call(kEcho, Text(""), Record(seen_), {.timeout = seconds(3)});
  loop_.RunReady();
  EXPECT_EQ(last_deadline_, TimePoint(seconds(3)));
  peer->Call(kEcho, Text(""), Record(seen_), {.timeout = seconds(-1)});
  loop_.RunReady();
  EXPECT_EQ(last_deadline_, TimePoint::max());
}

TEST_F(PeerTest, CancelDropsTheCallbackAndTellsTheServer) {
  const auto peer = Connect();
  const CallId call = peer->Call(kHold, Text(""), Record(seen_));
  loop_.RunReady();
  EXPECT_FALSE(held_.at(0).IsAbandoned());
  peer->Cancel(call);
  peer->Cancel(call);
  peer->Cancel(12345);
  loop_.RunReady();
  EXPECT_TRUE(held_[0].IsAbandoned());
  EXPECT_TRUE(seen_.empty());
}

TEST_F(PeerTest, DroppedRespondersAnswerCancelled) {
  const auto peer = Connect();
  peer->Call(kHold, Text(""), Record(seen_));
  loop_.RunReady();
  held_.clear();
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"cancelled"}));
}

TEST_F(PeerTest, ANotificationAboveTheBoundEndsTheConnectionAndSaysWhy) {
  const auto peer = Connect();
  std::string reason;
  peer->OnClosed([&](const Error& error) { reason = error.ToString(); });
  peer->Call(kHold, Text(""), Record(seen_));
  loop_.RunReady();
  peer->NotifyRaw(kEcho, std::string(ConnectionLimits{}.body_bytes_max + 1, 'x'));
  loop_.RunReady();
  EXPECT_EQ(reason,
            "resource_exhausted: the message of test/Echo has 8388609 bytes, allowed are 8388608");
  EXPECT_EQ(seen_, (Seen{"unavailable"}));
  EXPECT_EQ(server_->peer_count(), 0U);
}

TEST_F(PeerTest, UnknownMethodIsNamed) {
  const auto peer = Connect();
  std::string message;
  peer->Call(kUnknown, Text(""), [&](Result<EchoReply> r) { message = r.error().ToString(); });
  loop_.RunReady();
  EXPECT_EQ(message, "invalid_argument: unknown method 0x01ff");
}

TEST_F(PeerTest, BrokenRequestBodyIsTheCallersFault) {
  const auto peer = Connect();
  ErrorCode code{};
  peer->CallRaw(kEcho, "\xff\xff", {}, [&](auto reply) { code = reply.error().code(); });
  loop_.RunReady();
  EXPECT_EQ(code, ErrorCode::kCorrupt);
}

TEST_F(PeerTest, TooLargeRequestFailsAloneAndTheConnectionLives) {
  const auto peer = Connect();
  peer->Call(kEcho, Text(std::string(9 << 20, 'x')), Record(seen_));
  peer->Call(kEcho, Text("small"), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"resource_exhausted", "small"}));
}

TEST_F(PeerTest, LostConnectionFailsCallsBeforeOnClosed) {
  const auto peer = Connect();
  peer->Call(kHold, Text(""), Record(seen_));
  peer->Call(kHold, Text(""), Record(seen_));
  peer->OnClosed([&](const Error& reason) {
    seen_.push_back("closed " + std::string(ErrorCodeName(reason.code())));
  });
  loop_.RunReady();
  held_.clear();
  server_->Stop();
  loop_.RunReady();
  EXPECT_EQ(seen_.size(), 3U);
  EXPECT_EQ(seen_.back(), "closed unavailable");
  EXPECT_FALSE(peer->IsOpen());
  peer->Call(kEcho, Text(""), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_.back(), "unavailable");
}

TEST_F(PeerTest, CloseFailsPendingCallsWithCancelledEvenWhenThePeerGoes) {
  auto peer = Connect();
  peer->Call(kHold, Text(""), Record(seen_));
  peer->OnClosed([&](const Error&) { ADD_FAILURE() << "closed by ourselves"; });
  peer->Close();
  EXPECT_TRUE(seen_.empty());
  peer.reset();
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"cancelled"}));
}

TEST_F(PeerTest, DestructionInACallbackIsFine) {
  auto peer = Connect();
  peer->Call(kEcho, Text(""), [&](auto) { peer.reset(); });
  peer->Call(kEcho, Text(""), [&](auto) { ADD_FAILURE() << "the peer is gone"; });
  loop_.RunUntilIdle(1000);
  EXPECT_EQ(peer, nullptr);
  auto other = Connect();
  other->Call(kHold, Text(""), [&](auto) { other.reset(); }, {.timeout = seconds(1)});
  loop_.RunUntilIdle(1000);
  EXPECT_EQ(other, nullptr);
  auto third = Connect();
  third->OnClosed([&](const Error&) { third.reset(); });
  loop_.RunReady();
  server_->Stop();
  loop_.RunUntilIdle(1000);
  EXPECT_EQ(third, nullptr);
}

TEST_F(PeerTest, RespondersOutliveTheirPeer) {
  auto peer = Connect();
  peer->Call(kHold, Text(""), Record(seen_));
  loop_.RunReady();
  peer.reset();
  loop_.RunReady();
  EXPECT_EQ(server_->peer_count(), 0U);
  EXPECT_TRUE(held_.at(0).IsAbandoned());
  held_[0](EchoReply());
  loop_.RunReady();
}

TEST_F(PeerTest, AttachmentsTravelBothWays) {
  const auto peer = Connect();
  const std::string bytes(1000, 'a');
  std::string got;
  CallOptions options;
  options.attachment = Payload::FromString(bytes);
  peer->CallRaw(kBytes, "", std::move(options),
                [&](Result<RawReply> reply) { got = reply->attachment.text(); });
  loop_.RunReady();
  EXPECT_EQ(got, bytes);
}

TEST_F(PeerTest, AttachmentsGoWhereTheCallerSays) {
  const auto peer = Connect();
  std::string destination(5, '-');
  CallOptions options;
  options.attachment = Payload::FromString("12345");
  options.place_attachment = [&](std::uint64_t size) -> Result<WritablePayload> {
    EXPECT_EQ(size, 5U);
    return WritablePayload{nullptr, std::as_writable_bytes(std::span(destination))};
  };
  peer->CallRaw(kBytes, "", std::move(options), [&](auto reply) { EXPECT_TRUE(reply); });
  loop_.RunReady();
  EXPECT_EQ(destination, "12345");
}

TEST_F(PeerTest, UnwantedAttachmentsAreRefusedAndTheConnectionLives) {
  const auto peer = Connect();
  const auto call = [&](const MethodInfo& method, std::size_t size, std::uint64_t max) {
    CallOptions options;
    options.attachment = Payload::FromString(std::string(size, 'x'));
    options.attachment_bytes_max = max;
    peer->CallRaw(method, "", std::move(options), [&](Result<RawReply> reply) {
      seen_.push_back(reply ? "ok" : std::string(ErrorCodeName(reply.error().code())));
    });
    loop_.RunReady();
  };
  call(kEcho, 10, 10);       // the method takes none
  call(kBytes, 1001, 1001);  // the server's placer refuses
  call(kBytes, 10, 9);       // the reply is larger than the caller wants
  call(kBytes, 10, 10);
  EXPECT_EQ(seen_, (Seen{"invalid_argument", "resource_exhausted", "resource_exhausted", "ok"}));
}

TEST_F(PeerTest, BothSidesCall) {
  Peer* at_server = nullptr;
  server_->OnPeer([&](Peer& peer) { at_server = &peer; }, nullptr);
  std::unique_ptr<Peer> peer;
  transport_.Connect("inproc://s", seconds(1), [&](auto connection) {
    peer = std::make_unique<Peer>(loop_, std::move(*connection), &services_);
  });
  loop_.RunReady();
  ASSERT_NE(at_server, nullptr);
  at_server->Call(kEcho, Text("from the server"), Record(seen_));
  peer->Call(kEcho, Text("from the client"), Record(seen_));
  loop_.RunReady();
  EXPECT_THAT(seen_, testing::UnorderedElementsAre("from the server", "from the client"));
}

TEST_F(PeerTest, NotificationsArriveAndAreNotAnswered) {
  const auto peer = Connect();
  peer->Notify(kEcho, Text("n"));
  peer->Notify(kUnknown, Text("n"));
  loop_.RunReady();
  EXPECT_EQ(served_, 1);
  EXPECT_TRUE(peer->IsOpen());
}

/// Speaks raw frames to a peer.
class RawEnd final : public ConnectionHandler {
 public:
  Result<WritablePayload> PlaceAttachment(const FrameHeader& h, std::string_view) override {
    return WritablePayload::Allocate(h.attachment_bytes);
  }
  void OnFrame(Frame frame) override { frames.push_back(std::move(frame)); }
  void OnClose(const Error& reason) override { closed = reason; }
  std::vector<Frame> frames;
  std::optional<Error> closed;
};

TEST_F(PeerTest, DuplicateAndUnknownRepliesAreIgnored) {
  std::unique_ptr<Connection> raw;
  RawEnd end;
  auto listener = transport_.Listen("inproc://raw", [&](auto c) { raw = std::move(c); });
  std::unique_ptr<Peer> peer;
  transport_.Connect("inproc://raw", seconds(1),
                     [&](auto c) { peer = std::make_unique<Peer>(loop_, std::move(*c), nullptr); });
  loop_.RunReady();
  raw->SetHandler(&end);
  peer->Call(kEcho, Text("x"), Record(seen_));
  loop_.RunReady();
  ASSERT_EQ(end.frames.size(), 1U);
  for (const std::uint64_t id :
       {end.frames[0].header.call_id, end.frames[0].header.call_id, std::uint64_t{777}}) {
    Frame reply;
    reply.header.kind = FrameKind::kReply;
    reply.header.call_id = id;
    raw->Send(std::move(reply));
  }
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{""}));
  EXPECT_TRUE(peer->IsOpen());
}

TEST_F(PeerTest, DuplicateRequestsInFlightAreAnsweredOnce) {
  std::unique_ptr<Connection> raw;
  transport_.Connect("inproc://s", seconds(1), [&](auto c) { raw = std::move(*c); });
  loop_.RunReady();
  RawEnd end;
  raw->SetHandler(&end);
  for (int i = 0; i < 2; ++i) {
    Frame request;
    request.header = {.kind = FrameKind::kRequest, .method = kHold.id, .call_id = 9};
    raw->Send(std::move(request));
  }
  loop_.RunReady();
  EXPECT_EQ(held_.size(), 1U);
  held_.clear();
  loop_.RunReady();
  EXPECT_EQ(end.frames.size(), 1U);
}

TEST_F(PeerTest, HandshakeFrameWhereCallsAreSpokenClosesTheConnection) {
  std::unique_ptr<Connection> raw;
  transport_.Connect("inproc://s", seconds(1), [&](auto c) { raw = std::move(*c); });
  loop_.RunReady();
  RawEnd end;
  raw->SetHandler(&end);
  Frame frame;
  frame.header.kind = FrameKind::kHandshake;
  raw->Send(std::move(frame));
  loop_.RunReady();
  EXPECT_TRUE(end.closed);
  EXPECT_EQ(server_->peer_count(), 0U);
}

TEST(ErrorCodecTest, ErrorsSurviveTheWireWithTheirOrigin) {
  const Error sent =
      Error(ErrorCode::kTaskFailed, "boom \xff")
          .WithRemote({.task_name = "Square", .type_name = "T", .node_id = "3f", .pid = 17});
  const Error got = DecodeError(EncodeError(sent));
  EXPECT_EQ(got.code(), ErrorCode::kTaskFailed);
  EXPECT_EQ(got.message(), "boom \xff");
  ASSERT_NE(got.remote(), nullptr);
  EXPECT_EQ(got.remote()->task_name, "Square");
  EXPECT_EQ(got.remote()->pid, 17);
  EXPECT_EQ(DecodeError("\xff").code(), ErrorCode::kCorrupt);
  EXPECT_EQ(DecodeError("\x08\x63").code(), ErrorCode::kInternal);  // code 99
  EXPECT_EQ(DecodeError("").code(), ErrorCode::kInternal);
}

TEST(ErrorCodecTest, EveryCodeSurvivesTheWire) {
  for (std::uint8_t code = 1; ErrorCodeName(static_cast<ErrorCode>(code)) != "unknown"; ++code) {
    const Error got = DecodeError(EncodeError(Error(static_cast<ErrorCode>(code), "why")));
    EXPECT_EQ(got.code(), static_cast<ErrorCode>(code)) << ErrorCodeName(got.code());
  }
}

}  // namespace
}  // namespace mobula::transport::rpc
