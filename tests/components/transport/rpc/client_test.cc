#include "components/transport/rpc/client.h"

#include "components/base/task_group.h"
#include "components/transport/handshake.h"
#include "components/transport/rpc/client_pool.h"
#include "tests/components/transport/rpc/rpc_fixture.h"

namespace mobula::transport::rpc {
namespace {

using Seen = std::vector<std::string>;

class ClientTest : public RpcTest {
 protected:
  std::unique_ptr<Client> Make(Duration reconnect_window, std::optional<Duration> first = {}) {
    ClientOptions options;
    options.reconnect_window = reconnect_window;
    options.first_window = first;
    auto client = std::make_unique<Client>(loop_, transport_, "inproc://s", Random(1), options);
    client->OnConnected([this](Peer&) { seen_.emplace_back("up"); });
    client->OnDisconnected([this](const Error&) { seen_.emplace_back("down"); });
    client->OnGone([this](const Error&) { seen_.emplace_back("gone"); });
    return client;
  }
  Seen seen_;
};

TEST_F(ClientTest, ConnectsAtTheFirstCall) {
  Serve();
  const auto client = Make(seconds(0));
  EXPECT_FALSE(client->IsConnected());
  client->Call(kEcho, Text("a"), Record(seen_));
  client->Call(kEchoOnce, Text("b"), Record(seen_));
  loop_.RunReady();
  EXPECT_TRUE(client->IsConnected());
  EXPECT_EQ(seen_, (Seen{"up", "a", "b"}));
}

TEST_F(ClientTest, WithoutAWindowTheFirstFailureIsTheEnd) {
  const auto client = Make(seconds(0));
  client->Call(kEcho, Text("a"), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"gone", "unavailable"}));
  EXPECT_TRUE(client->IsGone());
  client->Call(kEcho, Text("b"), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_.back(), "unavailable");
}

TEST_F(ClientTest, HeldCallsAreSentWhenTheServerComes) {
  const auto client = Make(seconds(10));
  client->Call(kEchoOnce, Text("a"), Record(seen_));
  loop_.RunFor(seconds(3));
  EXPECT_TRUE(seen_.empty());
  Serve();
  loop_.RunFor(seconds(2));
  EXPECT_EQ(seen_, (Seen{"up", "a"}));
}

TEST_F(ClientTest, HeldCallsStillMeetTheirDeadline) {
  const auto client = Make(seconds(100));
  client->Call(kEcho, Text("a"),
               [this](auto reply) {
                 EXPECT_EQ(reply.error().code(), ErrorCode::kDeadlineExceeded);
                 EXPECT_NE(reply.error().message().find("nothing listens at inproc://s"),
                           std::string::npos);
                 EXPECT_EQ(loop_.Now(), TimePoint(seconds(2)));
                 seen_.emplace_back("late");
               },
               {.timeout = seconds(2)});
  loop_.RunFor(seconds(3));
  EXPECT_EQ(seen_, (Seen{"late"}));
}

TEST_F(ClientTest, GivesUpAfterTheWindowAndNotBefore) {
  const auto client = Make(seconds(10));
  client->Call(kEcho, Text("a"), Record(seen_), {.timeout = seconds(-1)});
  loop_.RunFor(milliseconds(9999));
  EXPECT_TRUE(seen_.empty());
  loop_.RunFor(milliseconds(100));
  EXPECT_EQ(seen_, (Seen{"gone", "unavailable"}));
}

TEST_F(ClientTest, WhoWasNeverThereIsGivenUpSooner) {
  const auto client = Make(seconds(100), seconds(10));
  client->Connect();
  loop_.RunFor(seconds(10));
  EXPECT_TRUE(client->IsGone());
}

TEST_F(ClientTest, WhoWasThereIsWaitedForLonger) {
  Serve();
  const auto client = Make(seconds(100), seconds(10));
  client->Connect();
  loop_.RunReady();
  server_.reset();
  loop_.RunFor(seconds(99));
  EXPECT_FALSE(client->IsGone());
  loop_.RunFor(seconds(1));
  EXPECT_TRUE(client->IsGone());
}

TEST_F(ClientTest, NeverGivesUpWithANegativeWindow) {
  const auto client = Make(seconds(-1));
  client->Connect();
  loop_.RunFor(std::chrono::hours(2));
  EXPECT_FALSE(client->IsGone());
  Serve();
  loop_.RunFor(seconds(2));
  EXPECT_TRUE(client->IsConnected());
}

TEST_F(ClientTest, IdempotentCallsInFlightAreSentAgainOthersFail) {
  Serve();
  const auto client = Make(seconds(10));
  client->Call(kHold, Text(""), Record(seen_));
  client->Call(kEcho, Text("first"), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"up", "first"}));
  ASSERT_EQ(held_.size(), 1U);
  seen_.clear();
  server_.reset();
  loop_.RunFor(seconds(1));
  EXPECT_EQ(seen_, (Seen{"down"}));
  Serve();
  loop_.RunFor(seconds(2));
  EXPECT_EQ(seen_, (Seen{"down", "up"}));
  ASSERT_EQ(held_.size(), 2U);
  EchoReply reply;
  reply.set_text("at last");
  held_[1](reply);
  loop_.RunReady();
  EXPECT_EQ(seen_.back(), "at last");
}

TEST_F(ClientTest, CallsThatMayRunOnceFailWhenTheConnectionDrops) {
  constexpr Method<EchoRequest, EchoReply> kHoldOnce{
      {kHold.id, "test/HoldOnce", Idempotency::kOnce, seconds(5)}};
  Serve();
  const auto client = Make(seconds(10));
  client->Call(kHoldOnce, Text(""), Record(seen_));
  loop_.RunReady();
  server_.reset();
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"up", "unavailable", "down"}));
}

TEST_F(ClientTest, ACallMadeWhileCallsFailIsNotLost) {
  Serve();
  constexpr Method<EchoRequest, EchoReply> kHoldOnce{
      {kHold.id, "test/HoldOnce", Idempotency::kOnce, seconds(5)}};
  const auto client = Make(seconds(10));
  client->Call(kHoldOnce, Text(""),
               [&](auto) { client->Call(kEchoOnce, Text("again"), Record(seen_)); });
  loop_.RunReady();
  server_.reset();
  Serve();
  loop_.RunFor(seconds(1));
  EXPECT_EQ(seen_, (Seen{"up", "down", "up", "again"}));
}

TEST_F(ClientTest, RegistrationGoesBeforeHeldCalls) {
  Serve();
  const auto client = Make(seconds(0));
  client->OnConnected([this](Peer& peer) { peer.Call(kEcho, Text("register"), Record(seen_)); });
  client->Call(kEcho, Text("call"), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"up", "register", "call"}));
}

TEST_F(ClientTest, StopFailsEverythingOnceAndForGood) {
  Serve();
  const auto client = Make(seconds(10));
  client->Call(kHold, Text(""), Record(seen_));
  loop_.RunReady();
  client->Stop();
  client->Stop();
  EXPECT_EQ(seen_, (Seen{"up"}));
  client->Call(kEcho, Text(""), Record(seen_));
  loop_.RunUntilIdle(1000);
  EXPECT_EQ(seen_, (Seen{"up", "cancelled", "cancelled"}));
  EXPECT_EQ(server_->peer_count(), 0U);
}

TEST_F(ClientTest, MayBeDestroyedInItsOwnCallbacks) {
  Serve();
  auto client = Make(seconds(0));
  client->OnDisconnected([&](const Error&) { client.reset(); });
  client->Call(kEcho, Text("x"), Record(seen_));
  loop_.RunReady();
  server_.reset();
  loop_.RunUntilIdle(1000);
  EXPECT_EQ(client, nullptr);
  Serve();
  auto second = Make(seconds(0));
  second->Call(kEcho, Text("x"), [&](auto) { second.reset(); });
  loop_.RunUntilIdle(1000);
  EXPECT_EQ(second, nullptr);
  server_.reset();
  auto third = Make(seconds(0));
  third->OnGone([&](const Error&) { third.reset(); });
  third->Connect();
  loop_.RunUntilIdle(1000);
  EXPECT_EQ(third, nullptr);
}

TEST_F(ClientTest, ARefusalForGoodIsNotRepeated) {
  auto config = std::make_shared<HandshakeConfig>();
  config->token = Token("right");
  auto with_token = MakeAuthenticatedTransport(transport_, loop_, Random(1), config);
  server_ = std::make_unique<Server>(loop_, services_);
  ASSERT_TRUE(server_->Listen(*with_token, "inproc://s"));
  auto wrong = std::make_shared<HandshakeConfig>();
  wrong->token = Token("wrong");
  auto with_wrong = MakeAuthenticatedTransport(transport_, loop_, Random(2), wrong);
  ClientOptions options;
  options.reconnect_window = seconds(-1);
  Client client(loop_, *with_wrong, "inproc://s", Random(1), options);
  client.Call(kEcho, Text(""), Record(seen_));
  loop_.RunReady();
  EXPECT_TRUE(client.IsGone());
  EXPECT_EQ(seen_, (Seen{"permission_denied"}));
}

TEST_F(ClientTest, HeldCallsAreBounded) {
  ClientOptions options;
  options.waiting_calls_max = 2;
  options.reconnect_window = seconds(-1);
  Client client(loop_, transport_, "inproc://s", Random(1), options);
  for (int i = 0; i < 3; ++i) client.Call(kEcho, Text(""), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"resource_exhausted"}));
}

TEST_F(ClientTest, ServerThatHangsUpAtOnceIsNotAskedInATightLoop) {
  int accepted = 0;
  auto listener = transport_.Listen("inproc://s", [&](auto) { ++accepted; });
  const auto client = Make(seconds(-1));
  client->Connect();
  loop_.RunFor(seconds(60));
  EXPECT_GT(accepted, 30);
  EXPECT_LT(accepted, 120);
}

Task<std::string> AskTwice(Client* client) {
  EchoRequest request;
  request.set_text("one");
  auto first = co_await client->CallAsync(kEcho, request);
  if (!first) co_return Fail(std::move(first.error()));
  request.set_text(first->text() + " two");
  auto second = co_await client->CallAsync(kEcho, request);
  if (!second) co_return Fail(std::move(second.error()));
  co_return second->text();
}

TEST_F(ClientTest, CoroutinesAsk) {
  Serve();
  const auto client = Make(seconds(0));
  TaskGroup group;
  group.Spawn<std::string>(AskTwice(client.get()),
                           [&](Result<std::string> text) { seen_.push_back(*text); });
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"up", "one two"}));
}

TEST_F(ClientTest, PoolSharesLiveClientsAndReplacesGoneOnes) {
  Serve();
  ClientPool pool(
      loop_, [this](std::string_view e) { return e.starts_with("inproc") ? &transport_ : nullptr; },
      Random(1), {});
  const auto first = pool.Get("inproc://s");
  first->Call(kEcho, Text("a"), Record(seen_));
  EXPECT_EQ(pool.Get("inproc://s"), first);
  loop_.RunReady();
  server_.reset();
  loop_.RunFor(seconds(1));
  EXPECT_TRUE(first->IsGone());
  EXPECT_NE(pool.Get("inproc://s"), first);
  pool.Get("what://s")->Call(kEcho, Text("b"), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_, (Seen{"a", "invalid_argument"}));
  pool.Stop();
  pool.Get("inproc://s")->Call(kEcho, Text("c"), Record(seen_));
  loop_.RunReady();
  EXPECT_EQ(seen_.back(), "cancelled");
}

}  // namespace
}  // namespace mobula::transport::rpc
