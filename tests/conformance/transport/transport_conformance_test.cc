// Every promise of components/transport/transport.h, over every kind of transport.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "tests/conformance/transport/transport_worlds.h"

namespace mobula::transport::conformance {
namespace {

using std::chrono::seconds;

/// Records what arrives.
class Recorder : public ConnectionHandler {
 public:
  Result<WritablePayload> PlaceAttachment(const FrameHeader& header,
                                          std::string_view body) override {
    placed_bodies.emplace_back(body);
    if (refuse_attachments) return Fail(ErrorCode::kResourceExhausted, "no room");
    WritablePayload place = WritablePayload::Allocate(header.attachment_bytes);
    places.push_back(place.bytes.data());
    return place;
  }
  void OnFrame(Frame frame) override {
    EXPECT_FALSE(closed) << "a frame after OnClose";
    frames.push_back(std::move(frame));
    if (on_frame) on_frame();
  }
  void OnClose(const Error& reason) override {
    EXPECT_FALSE(inside_call) << "OnClose inside a call to the connection";
    EXPECT_FALSE(closed) << "OnClose twice";
    closed = reason;
    if (on_close) on_close();
  }

  std::vector<Frame> frames;
  std::vector<std::string> placed_bodies;
  std::vector<const std::byte*> places;
  bool refuse_attachments = false;
  bool inside_call = false;
  std::optional<Error> closed;
  std::function<void()> on_frame;
  std::function<void()> on_close;
};

Frame Message(std::string body, std::uint64_t id = 0) {
  Frame frame;
  frame.header.call_id = id;
  frame.body = std::move(body);
  return frame;
}

std::string Noise(std::size_t size) {
  std::string text(size, '\0');
  std::uint32_t state = 1;
  for (char& c : text) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

class TransportTest : public testing::TestWithParam<NamedWorld> {
 protected:
  void SetUp() override {
    world_ = GetParam().make();
    auto listener = transport().Listen(world_->ListenAt(), [this](auto connection) {
      accepted_.push_back(std::move(connection));
    });
    ASSERT_TRUE(listener) << listener.error().ToString();
    listener_ = std::move(*listener);
  }
  void TearDown() override {
    client_.reset();
    accepted_.clear();
    listener_.reset();
    world_->RunReady();
  }

  Transport& transport() { return world_->transport(); }
  std::unique_ptr<Connection> Connect() {
    Result<std::unique_ptr<Connection>> made = Fail(ErrorCode::kInternal, "not yet");
    bool done = false;
    const std::size_t before = accepted_.size();
    world_->client().Connect(listener_->Endpoint(), seconds(10), [&](auto connection) {
      made = std::move(connection);
      done = true;
    });
    EXPECT_FALSE(done) << "done inside Connect";
    EXPECT_TRUE(world_->RunUntil([&] { return done && accepted_.size() > before; }));
    EXPECT_TRUE(made) << made.error().ToString();
    return made ? std::move(*made) : nullptr;
  }
  /// Connects `client_` and `server()` with their recorders.
  void Pair() {
    client_ = Connect();
    for (Connection* end : {client_.get(), &server()}) end->SetLimits(ConnectionLimits{});
    client_->SetHandler(&at_client_);
    server().SetHandler(&at_server_);
  }
  Connection& server() { return *accepted_.back(); }
  bool Arrives(const Recorder& recorder, std::size_t count) {
    return world_->RunUntil([&] { return recorder.frames.size() >= count; });
  }
  bool Closes(const Recorder& recorder) {
    return world_->RunUntil([&] { return recorder.closed.has_value(); });
  }

  std::unique_ptr<World> world_;
  Recorder at_client_;
  Recorder at_server_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> client_;
  std::vector<std::unique_ptr<Connection>> accepted_;
};

INSTANTIATE_TEST_SUITE_P(All, TransportTest, testing::ValuesIn(AllWorlds()),
                         [](const auto& info) { return info.param.name; });

TEST_P(TransportTest, FramesArriveWholeInOrderBothWays) {
  Pair();
  for (std::uint64_t i = 0; i < 1000; ++i) {
    client_->Send(Message(std::string(i % 50, 'c') + std::to_string(i), i));
    server().Send(Message("s" + std::to_string(i), i));
    if (i % 100 == 0) client_->Flush();
  }
  ASSERT_TRUE(Arrives(at_server_, 1000));
  ASSERT_TRUE(Arrives(at_client_, 1000));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    EXPECT_EQ(at_server_.frames[i].header.call_id, i);
    EXPECT_EQ(at_server_.frames[i].body, std::string(i % 50, 'c') + std::to_string(i));
    EXPECT_EQ(at_client_.frames[i].body, "s" + std::to_string(i));
  }
}

TEST_P(TransportTest, EveryHeaderFieldArrives) {
  Pair();
  Frame frame = Message("body");
  frame.header.kind = FrameKind::kRequest;
  frame.header.method = 0xAABBCCDD;
  frame.header.call_id = 0x1122334455667788;
  frame.header.deadline_ms = 77;
  frame.attachment = Payload::FromString("attached");
  client_->Send(std::move(frame));
  ASSERT_TRUE(Arrives(at_server_, 1));
  const FrameHeader& got = at_server_.frames[0].header;
  EXPECT_EQ(got.kind, FrameKind::kRequest);
  EXPECT_EQ(got.method, 0xAABBCCDD);
  EXPECT_EQ(got.call_id, 0x1122334455667788);
  EXPECT_EQ(got.deadline_ms, 77U);
  EXPECT_EQ(got.body_bytes, 4U);
  EXPECT_EQ(got.attachment_bytes, 8U);
  EXPECT_EQ(at_server_.frames[0].attachment.text(), "attached");
}

TEST_P(TransportTest, AttachmentsAreReceivedInThePlaceThatWasNamed) {
  Pair();
  const std::string big = Noise(5 << 20);
  for (const std::size_t size : {std::size_t{1}, std::size_t{70'000}, big.size()}) {
    Frame frame = Message(std::to_string(size));
    frame.attachment = Payload::FromString(big.substr(0, size));
    client_->Send(std::move(frame));
    client_->Send(Message("between"));
  }
  ASSERT_TRUE(Arrives(at_server_, 6));
  ASSERT_EQ(at_server_.places.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const Frame& frame = at_server_.frames[i * 2];
    EXPECT_EQ(frame.attachment.bytes().data(), at_server_.places[i]);
    EXPECT_EQ(at_server_.placed_bodies[i], frame.body);
    EXPECT_TRUE(frame.attachment.text() == big.substr(0, std::stoul(frame.body)));
    EXPECT_EQ(at_server_.frames[i * 2 + 1].body, "between");
  }
}

TEST_P(TransportTest, RefusedAttachmentsAreDroppedAndTheRestArrives) {
  Pair();
  at_server_.refuse_attachments = true;
  Frame frame = Message("a");
  frame.attachment = Payload::FromString(Noise(300'000));
  client_->Send(std::move(frame));
  client_->Send(Message("b"));
  ASSERT_TRUE(Arrives(at_server_, 2));
  EXPECT_TRUE(at_server_.frames[0].attachment.empty());
  EXPECT_EQ(at_server_.frames[0].header.attachment_bytes, 300'000U);
  EXPECT_EQ(at_server_.frames[1].body, "b");
}

TEST_P(TransportTest, TheSenderKeepsAnAttachmentUntilItIsWrittenAndNoLonger) {
  Pair();
  auto owner = std::make_shared<std::string>(Noise(3 << 20));
  Frame frame = Message("a");
  frame.attachment = Payload(owner, std::as_bytes(std::span(*owner)));
  client_->Send(std::move(frame));
  EXPECT_GT(owner.use_count(), 1);
  EXPECT_GE(client_->QueuedBytes(), owner->size());
  ASSERT_TRUE(Arrives(at_server_, 1));
  EXPECT_TRUE(world_->RunUntil([&] { return owner.use_count() == 1; }));
  EXPECT_EQ(client_->QueuedBytes(), 0U);
}

TEST_P(TransportTest, LargeBodiesUpToTheLimitArrive) {
  Pair();
  const std::string body = Noise(ConnectionLimits{}.body_bytes_max);
  client_->Send(Message(body));
  client_->Send(Message("small"));
  ASSERT_TRUE(Arrives(at_server_, 2));
  EXPECT_TRUE(at_server_.frames[0].body == body);
}

TEST_P(TransportTest, ABodyAboveTheLimitEndsTheConnectionAtBothSides) {
  Pair();
  client_->Send(Message(std::string(ConnectionLimits{}.body_bytes_max + 1, 'x')));
  ASSERT_TRUE(Closes(at_server_));
  EXPECT_EQ(at_server_.closed->code(), ErrorCode::kResourceExhausted);
  EXPECT_TRUE(at_server_.frames.empty());
  accepted_.clear();
  ASSERT_TRUE(Closes(at_client_));
  EXPECT_EQ(at_client_.closed->code(), ErrorCode::kUnavailable);
}

TEST_P(TransportTest, AnAttachmentAboveTheLimitEndsTheConnection) {
  Pair();
  server().SetLimits({.attachment_bytes_max = 10});
  Frame frame = Message("");
  frame.attachment = Payload::FromString("12345678901");
  client_->Send(std::move(frame));
  ASSERT_TRUE(Closes(at_server_));
  EXPECT_EQ(at_server_.closed->code(), ErrorCode::kResourceExhausted);
  EXPECT_TRUE(at_server_.places.empty());
}

TEST_P(TransportTest, TooMuchUnsentEndsTheConnection) {
  Pair();
  client_->SetLimits({.queued_bytes_max = 1000});
  at_client_.inside_call = true;
  for (int i = 0; i < 30; ++i) client_->Send(Message(std::string(50, 'x')));
  client_->Flush();
  at_client_.inside_call = false;
  ASSERT_TRUE(Closes(at_client_));
  EXPECT_EQ(at_client_.closed->code(), ErrorCode::kResourceExhausted);
  client_->Send(Message("dropped"));
  client_.reset();
  EXPECT_TRUE(Closes(at_server_));
}

TEST_P(TransportTest, CloseDeliversWhatWasSentAndThenEndsTheOtherSide) {
  Pair();
  for (int i = 0; i < 100; ++i) client_->Send(Message("x"));
  client_->Close();
  client_->Send(Message("too late"));
  client_->Close();
  ASSERT_TRUE(Closes(at_server_));
  EXPECT_EQ(at_server_.frames.size(), 100U);
  EXPECT_EQ(at_server_.closed->code(), ErrorCode::kUnavailable);
  EXPECT_NE(at_server_.closed->message().find("closed by peer"), std::string::npos)
      << at_server_.closed->message();
  EXPECT_FALSE(at_client_.closed);
}

TEST_P(TransportTest, LastWordsAreHeardThoughTheOtherSideIsTalking) {
  Pair();
  at_server_.on_frame = [this] {
    server().Send(Message("refused"));
    server().Close();
  };
  for (int i = 0; i < 50; ++i) client_->Send(Message(std::string(1000, 'x')));
  ASSERT_TRUE(Closes(at_client_));
  ASSERT_EQ(at_client_.frames.size(), 1U);
  EXPECT_EQ(at_client_.frames[0].body, "refused");
}

TEST_P(TransportTest, DestructionIsAClose) {
  Pair();
  accepted_.clear();
  ASSERT_TRUE(Closes(at_client_));
  EXPECT_EQ(at_client_.closed->code(), ErrorCode::kUnavailable);
}

TEST_P(TransportTest, SendingToAClosedPeerEndsInOneNotice) {
  Pair();
  accepted_.clear();
  int sent = 0;
  at_client_.inside_call = true;
  for (int i = 0; i < 100; ++i, ++sent) {
    client_->Send(Message("x"));
    client_->Flush();
  }
  at_client_.inside_call = false;
  ASSERT_TRUE(Closes(at_client_));
  EXPECT_EQ(at_client_.closed->code(), ErrorCode::kUnavailable);
  world_->RunReady();
}

TEST_P(TransportTest, MayBeDestroyedInEveryCallback) {
  Pair();
  at_server_.on_frame = [this] { accepted_.clear(); };
  client_->Send(Message("a"));
  client_->Send(Message("b"));
  at_client_.on_close = [this] { client_.reset(); };
  ASSERT_TRUE(world_->RunUntil([&] { return client_ == nullptr; }));
  EXPECT_EQ(at_server_.frames.size(), 1U);

  class InPlace final : public Recorder {
   public:
    explicit InPlace(std::function<void()> d) : destroy(std::move(d)) {}
    Result<WritablePayload> PlaceAttachment(const FrameHeader& header, std::string_view) override {
      destroy();
      return WritablePayload::Allocate(header.attachment_bytes);
    }
    std::function<void()> destroy;
  };
  bool destroyed = false;
  InPlace in_place([&] {
    accepted_.clear();
    destroyed = true;
  });
  auto client = Connect();
  server().SetLimits({});
  server().SetHandler(&in_place);
  client->SetLimits({});
  Frame frame = Message("a");
  frame.attachment = Payload::FromString(Noise(200'000));
  client->Send(std::move(frame));
  ASSERT_TRUE(world_->RunUntil([&] { return destroyed; }));
  world_->RunReady();
  EXPECT_TRUE(in_place.frames.empty());
}

TEST_P(TransportTest, NothingIsDeliveredWithoutAHandlerAndNothingIsLost) {
  client_ = Connect();
  client_->SetLimits({});
  server().SetLimits({});
  for (int i = 0; i < 10; ++i) client_->Send(Message(std::to_string(i)));
  client_->Flush();
  world_->RunReady();
  at_server_.on_frame = [this] {
    if (at_server_.frames.size() == 4) server().SetHandler(nullptr);
  };
  server().SetHandler(&at_server_);
  EXPECT_TRUE(at_server_.frames.empty()) << "delivered inside SetHandler";
  ASSERT_TRUE(Arrives(at_server_, 4));
  client_->Send(Message("10"));
  client_->Close();
  world_->RunReady();
  EXPECT_EQ(at_server_.frames.size(), 4U);
  EXPECT_FALSE(at_server_.closed);
  Recorder next;
  server().SetHandler(&next);
  EXPECT_TRUE(next.frames.empty());
  ASSERT_TRUE(Closes(next));
  ASSERT_EQ(next.frames.size(), 7U);
  EXPECT_EQ(next.frames.front().body, "4");
  EXPECT_EQ(next.frames.back().body, "10");
}

TEST_P(TransportTest, ManyConnectionsAreKeptApart) {
  constexpr std::size_t kCount = 200;
  std::vector<std::unique_ptr<Connection>> clients;
  std::vector<std::unique_ptr<Recorder>> recorders;
  for (std::size_t i = 0; i < kCount; ++i) {
    world_->client().Connect(listener_->Endpoint(), seconds(10), [&](auto made) {
      ASSERT_TRUE(made) << made.error().ToString();
      clients.push_back(std::move(*made));
    });
  }
  ASSERT_TRUE(
      world_->RunUntil([&] { return clients.size() == kCount && accepted_.size() == kCount; }));
  for (std::size_t i = 0; i < kCount; ++i) {
    recorders.push_back(std::make_unique<Recorder>());
    accepted_[i]->SetHandler(recorders.back().get());
    clients[i]->Send(Message(std::to_string(i)));
  }
  ASSERT_TRUE(world_->RunUntil([&] {
    for (const auto& recorder : recorders) {
      if (recorder->frames.size() != 1) return false;
    }
    return true;
  }));
  std::set<std::string> bodies;
  for (const auto& recorder : recorders) bodies.insert(recorder->frames[0].body);
  EXPECT_EQ(bodies.size(), kCount);
}

TEST_P(TransportTest, TheEndpointInUseIsRefused) {
  const auto second = transport().Listen(listener_->Endpoint(), [](auto) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), ErrorCode::kAlreadyExists);
  EXPECT_NE(second.error().message().find("in use"), std::string::npos);
}

TEST_P(TransportTest, AnotherKindsEndpointIsRefused) {
  const auto listener = transport().Listen("carrier-pigeon://here", [](auto) {});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().code(), ErrorCode::kInvalidArgument);
  std::optional<Error> error;
  world_->client().Connect("carrier-pigeon://here", seconds(1),
                           [&](auto made) { error = made.error(); });
  ASSERT_TRUE(world_->RunUntil([&] { return error.has_value(); }));
  EXPECT_EQ(error->code(), ErrorCode::kInvalidArgument);
}

TEST_P(TransportTest, NobodyThereIsUnavailableAndNamed) {
  std::optional<Error> error;
  world_->client().Connect(world_->Nowhere(), seconds(10),
                           [&](auto made) { error = made.error(); });
  ASSERT_TRUE(world_->RunUntil([&] { return error.has_value(); }));
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  EXPECT_NE(error->message().find("nothing listens at " + world_->Nowhere()), std::string::npos)
      << error->message();
}

TEST_P(TransportTest, AListenerThatGoesLeavesItsConnectionsAndFreesItsEndpoint) {
  Pair();
  const std::string endpoint = listener_->Endpoint();
  listener_.reset();
  client_->Send(Message("still here"));
  EXPECT_TRUE(Arrives(at_server_, 1));
  std::optional<Error> error;
  world_->client().Connect(endpoint, seconds(10), [&](auto made) { error = made.error(); });
  ASSERT_TRUE(world_->RunUntil([&] { return error.has_value(); }));
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  auto again = transport().Listen(endpoint, [](auto) {});
  EXPECT_TRUE(again) << again.error().ToString();
}

TEST_P(TransportTest, AListenerMayBeDestroyedWhileItAccepts) {
  const std::string endpoint = listener_->Endpoint();
  listener_.reset();
  std::unique_ptr<Listener> once;
  int accepted = 0;
  auto made = transport().Listen(endpoint, [&](auto) {
    ++accepted;
    once.reset();
  });
  ASSERT_TRUE(made);
  once = std::move(*made);
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    world_->client().Connect(endpoint, seconds(1), [&](auto) { ++ended; });
  }
  ASSERT_TRUE(world_->RunUntil([&] { return ended == 3 && accepted > 0; }));
  world_->RunReady();
  EXPECT_EQ(accepted, 1);
}

TEST_P(TransportTest, DescriptorsArriveWithTheirFrames) {
  if (!transport().Abilities().passes_descriptors) return;
  Pair();
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  for (int i = 0; i < 5; ++i) {
    Frame frame = Message(std::to_string(i));
    frame.descriptor = i % 2 == 0 ? ends[1] : -1;
    client_->Send(std::move(frame));
  }
  ::close(ends[1]);  // the frames hold their own
  ASSERT_TRUE(Arrives(at_server_, 5));
  for (int i = 0; i < 5; ++i) {
    const int fd = at_server_.frames[static_cast<std::size_t>(i)].descriptor;
    EXPECT_EQ(fd >= 0, i % 2 == 0);
    if (fd < 0) continue;
    EXPECT_EQ(::write(fd, "x", 1), 1);
    ::close(fd);
  }
  std::array<char, 8> got;
  EXPECT_EQ(::read(ends[0], got.data(), got.size()), 3);
  EXPECT_EQ(::read(ends[0], got.data(), got.size()), 0) << "a descriptor leaked";
  ::close(ends[0]);
}

}  // namespace
}  // namespace mobula::transport::conformance
