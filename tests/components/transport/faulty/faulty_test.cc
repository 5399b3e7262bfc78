#include "components/transport/faulty/faulty_transport.h"

#include "components/base/real/event_loop.h"
#include "components/transport/registration.h"
#include "tests/components/transport/rpc/rpc_fixture.h"

namespace mobula::transport::rpc {
namespace {

using Seen = std::vector<std::string>;

class FaultsTest : public testing::Test {
 protected:
  FaultsTest() {
    services_.Handle(kEcho, [this](const EchoRequest& request, CallContext, auto respond) {
      ++served_;
      EchoReply reply;
      reply.set_text(request.text());
      respond(reply);
    });
    server_ = std::make_unique<Server>(loop_, services_);
    EXPECT_TRUE(server_->Listen(*transport_, "inproc://s"));
    ClientOptions options;
    options.reconnect_window = seconds(60);
    client_ = std::make_unique<Client>(loop_, *transport_, "inproc://s", Random(1), options);
  }
  void Call(const std::string& text) {
    EchoRequest request;
    request.set_text(text);
    client_->Call(kEcho, request, [this](Result<EchoReply> reply) {
      seen_.push_back(reply ? reply->text() : std::string(ErrorCodeName(reply.error().code())));
    });
  }

  SimulatedEventLoop loop_{1};
  std::shared_ptr<FaultPlan> plan_ = std::make_shared<FaultPlan>();
  std::unique_ptr<Transport> transport_ =
      MakeFaultyTransport(MakeInprocessTransport(loop_), loop_, Random(1), plan_);
  ServiceTable services_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Client> client_;
  Seen seen_;
  int served_ = 0;
};

TEST_F(FaultsTest, ALostReplyMakesAnIdempotentCallRunTwice) {
  plan_->rules.push_back({.kind = FrameKind::kReply, .times_max = 1});
  Call("x");
  loop_.RunFor(seconds(2));
  EXPECT_EQ(seen_, (Seen{"x"}));
  EXPECT_EQ(served_, 2);
}

TEST_F(FaultsTest, ALostRequestRunsOnce) {
  plan_->rules.push_back({.method = kEcho.id, .times_max = 1});
  Call("x");
  loop_.RunFor(seconds(2));
  EXPECT_EQ(seen_, (Seen{"x"}));
  EXPECT_EQ(served_, 1);
}

TEST_F(FaultsTest, TheNthFrameOfEachConnectionCanBeMeant) {
  plan_->rules.push_back({.method = kEcho.id, .at_frame = 3});
  for (int i = 0; i < 5; ++i) Call(std::to_string(i));
  loop_.RunFor(seconds(5));
  EXPECT_EQ(seen_.size(), 5U);
  EXPECT_GT(served_, 4);
}

TEST_F(FaultsTest, ConnectsAreRefusedByChance) {
  plan_->refuse_connects = 1;
  Call("x");
  loop_.RunFor(seconds(3));
  EXPECT_TRUE(seen_.empty());
  plan_->refuse_connects = 0;
  loop_.RunFor(seconds(2));
  EXPECT_EQ(seen_, (Seen{"x"}));
}

TEST_F(FaultsTest, DelaysHoldBackWhatIsBehind) {
  plan_->rules.push_back({.effect = FaultRule::Effect::kDelay,
                          .kind = FrameKind::kRequest,
                          .times_max = 1,
                          .delay = milliseconds(500)});
  Call("first");
  Call("second");
  loop_.RunFor(milliseconds(499));
  EXPECT_TRUE(seen_.empty());
  loop_.RunFor(milliseconds(10));
  EXPECT_EQ(seen_, (Seen{"first", "second"}));
}

TEST(TransportRegistrationTest, KindsAreMadeFromTheirMaps) {
  RealEventLoop loop;
  const Kinds<Transport> kinds = BuiltInTransports();
  const auto map = [](ConfigValue::Map entries) { return ConfigValue(std::move(entries)); };
  const auto make = [&](const ConfigValue& config) {
    return kinds.Make(config, "transport", "tcp",
                      {.loop = loop,
                       .real_loop = loop,
                       .random = Random(1),
                       .kinds = kinds,
                       .usual_kind = "unix"});
  };
  EXPECT_EQ((*make(map({})))->Scheme(), "tcp");
  EXPECT_EQ((*make(map({{"kind", ConfigValue("unix")}})))->Scheme(), "unix");
  const ConfigValue inner = map({{"kind", ConfigValue("inprocess")}});
  const ConfigValue rule = map({{"frame", ConfigValue("reply")},
                                {"effect", ConfigValue("delay")},
                                {"delay", ConfigValue("5ms")},
                                {"times", ConfigValue("3")}});
  const auto faulty = [&](const ConfigValue& r) {
    return make(map({{"kind", ConfigValue("faulty")},
                     {"inner", inner},
                     {"rules", ConfigValue(ConfigValue::List{r})}}));
  };
  EXPECT_EQ((*faulty(rule))->Scheme(), "inproc") << "a decorator serves what it wraps";
  EXPECT_TRUE((*faulty(rule))->Abilities().passes_descriptors);
  EXPECT_EQ((*make(map({{"kind", ConfigValue("faulty")}})))->Scheme(), "unix")
      << "without `inner` it wraps what is usual where it serves";
  const auto wrong = faulty(map({{"frame", ConfigValue("telegram")}}));
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(make(map({{"kind", ConfigValue("pigeon")}})));
  EXPECT_FALSE(make(map({{"port", ConfigValue("1")}})));
}

}  // namespace
}  // namespace mobula::transport::rpc
