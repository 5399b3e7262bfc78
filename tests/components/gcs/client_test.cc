#include "components/gcs/client.h"

#include "components/protocol/gcs_methods.h"
#include "tests/components/gcs/gcs_world.h"

namespace mobula::gcs {
namespace {

TEST(GcsClientTest, AfterARestartNodesAreBackAndSubscribersHearOnlyChanges) {
  GcsWorld world;
  world.StartServer();
  std::vector<std::unique_ptr<TestNode>> nodes;
  for (const char letter : {'a', 'b', 'c', 'd'}) nodes.push_back(world.AddNode(letter));
  Observer observer(world);
  nodes[1]->SetWorkers(5);
  world.loop.RunFor(seconds(2));
  EXPECT_EQ(observer.Take(), "a0 b0 c0 d0 b5 ");

  world.KillServer();
  world.loop.RunFor(seconds(20));
  nodes[2]->SetWorkers(9);
  nodes[3].reset();  // dies while nobody looks
  world.loop.RunFor(seconds(2));
  EXPECT_EQ(observer.Take(), "") << "a GCS that is away says nothing about nodes";

  const std::uint64_t epoch = nodes[0]->epoch;
  world.StartServer();
  world.loop.RunFor(seconds(3));
  EXPECT_EQ(observer.Take(), "c9 ");
  world.loop.RunFor(seconds(60));
  EXPECT_EQ(observer.Take(), "d0! ");
  EXPECT_EQ(world.Look(*observer.client, 'a').epoch(), epoch);
  EXPECT_EQ(world.Look(*observer.client, 'b').worker_count(), 5U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(nodes[i]->fenced, 0);
  world.server->CheckInvariants();
}

TEST(GcsClientTest, DeathsAndJobsOfTheTimeAwayAreHeardOnce) {
  GcsWorld world;
  world.StartServer();
  auto reporter = world.AddClient();
  Observer observer(world);
  const auto die = [&reporter](const char* worker) {
    protocol::WorkerDeath death;
    death.set_worker_id(worker);
    reporter->ReportWorkerDeath(death);
  };
  die("x");
  const JobId job = *world.Await<JobId>([&](auto d) { reporter->StartJob({}, d); });
  world.loop.RunFor(seconds(1));
  EXPECT_EQ(observer.Take(), "w:x j1R ");
  world.KillServer();
  die("y");  // waits for the GCS
  bool finished = false;
  reporter->FinishJob(job, "SUCCEEDED", "", [&](const auto& r) { finished = r.has_value(); });
  world.loop.RunFor(seconds(5));
  world.StartServer();
  world.loop.RunFor(seconds(5));
  EXPECT_TRUE(finished);
  EXPECT_EQ(observer.Take(), "w:y j1S ");
  world.KillServer();
  world.StartServer();
  world.loop.RunFor(seconds(5));
  EXPECT_EQ(observer.Take(), "");
}

TEST(GcsClientTest, WhenTheStorageIsLostEveryNodeIsReportedDeadOnceAndFenced) {
  GcsWorld world;
  world.StartServer();
  auto a = world.AddNode('a');
  auto b = world.AddNode('b');
  Observer observer(world);
  observer.Take();
  world.KillServer();
  MemoryStorage empty(world.loop);
  world.StartServer(&empty);
  world.loop.RunFor(seconds(10));
  EXPECT_EQ(observer.Take(), "a0! b0! ");
  EXPECT_EQ(a->fenced, 1);
  EXPECT_EQ(b->fenced, 1);
  world.KillServer();
}

TEST(GcsClientTest, CallsWaitForAGcsThatIsAway) {
  GcsWorld world;
  auto client = world.AddClient();
  std::optional<Result<protocol::PutValueReply>> answer;
  client->Put("s", "k", "v",
              [&answer](Result<protocol::PutValueReply> r) { answer = std::move(r); });
  world.loop.RunFor(seconds(30));
  EXPECT_FALSE(answer);
  EXPECT_FALSE(client->IsConnected());
  world.StartServer();
  world.loop.RunFor(seconds(3));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(*answer);
  EXPECT_TRUE(client->IsConnected());
}

TEST(GcsClientTest, ACallThatWaitedTooLongSaysSo) {
  GcsWorld world;
  auto client = world.AddClient();
  const auto reply =
      world.Await<protocol::PutValueReply>([&](auto d) { client->Put("s", "k", "v", d); });
  EXPECT_EQ(reply.error().code(), ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(world.loop.Now(), TimePoint(protocol::kCallTimeout));
}

TEST(GcsClientTest, AfterTheWindowTheGcsIsGoneForGood) {
  GcsWorld world;
  world.StartServer();
  auto client = world.AddClient(seconds(10));
  std::optional<Error> gone;
  client->OnGone([&gone](const Error& error) { gone = error; });
  std::optional<Result<protocol::SubscribeReply>> subscribed;
  client->Subscribe({protocol::NODES}, {},
                    [&](Result<protocol::SubscribeReply> r) { subscribed = std::move(r); });
  world.loop.RunFor(seconds(1));
  ASSERT_TRUE(subscribed && *subscribed);
  world.KillServer();
  world.loop.RunFor(seconds(9));
  EXPECT_FALSE(gone);
  world.loop.RunFor(seconds(2));
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->code(), ErrorCode::kUnavailable);
  const auto reply =
      world.Await<protocol::PutValueReply>([&](auto d) { client->Put("s", "k", "v", d); });
  EXPECT_EQ(reply.error().code(), ErrorCode::kUnavailable);
}

TEST(GcsClientTest, ARegistrationThatNeverReachedTheGcsFailsWhenTheGcsIsGone) {
  GcsWorld world;
  auto client = world.AddClient(seconds(10));
  const auto reply = world.Await<protocol::RegisterNodeReply>(
      [&](auto d) { client->RegisterNode({}, d, [] { ADD_FAILURE() << "not fenced"; }); });
  EXPECT_EQ(reply.error().code(), ErrorCode::kUnavailable);
}

TEST(GcsClientTest, AnInvalidRegistrationFailsAndIsNotRepeated) {
  GcsWorld world;
  world.StartServer();
  auto client = world.AddClient();
  protocol::NodeInfo nameless;
  nameless.set_node_id("short");
  const auto reply = world.Await<protocol::RegisterNodeReply>(
      [&](auto d) { client->RegisterNode(nameless, d, nullptr); });
  EXPECT_EQ(reply.error().code(), ErrorCode::kInvalidArgument);
  const auto lines = world.lines.size();
  world.KillServer();
  world.StartServer();
  world.loop.RunFor(seconds(5));
  EXPECT_EQ(world.lines.size(), lines + 1) << world.lines.back();  // "gcs started"
}

TEST(GcsClientTest, AClientThatIsStoppedInsideACallbackTellsNoMore) {
  GcsWorld world;
  world.StartServer();
  auto a = world.AddNode('a');
  auto b = world.AddNode('b');
  auto client = world.AddClient();
  int received = 0;
  Subscription subscription;
  subscription.on_node = [&](const protocol::NodeInfo&) {
    ++received;
    client->Stop();
  };
  client->Subscribe({protocol::NODES}, std::move(subscription), [](const auto&) {});
  world.loop.RunFor(seconds(1));
  EXPECT_EQ(received, 1);
  client->Stop();
}

/// A subscriber of its own make: it may be slow to acknowledge.
struct RawSubscriber {
  explicit RawSubscriber(GcsWorld& world)
      : client(world.loop, *world.transport, "inproc://gcs", Random(5),
               {.reconnect_window = Duration(-1)}, &services) {
    services.Handle(protocol::kDeliver,
                    [this](const protocol::Delta& delta, const rpc::CallContext&,
                           rpc::Respond<protocol::DeliverReply> respond) {
                      deltas.push_back(delta);
                      held.push_back(std::move(respond));
                    });
    client.OnDisconnected([this](const Error&) { cut = true; });
    protocol::SubscribeRequest request;
    request.add_topics()->set_channel(protocol::NODES);
    client.Call(protocol::kSubscribe, request, [](const Result<protocol::SubscribeReply>&) {});
    world.loop.RunFor(milliseconds(10));
  }
  rpc::ServiceTable services;
  std::vector<protocol::Delta> deltas;
  std::vector<rpc::Respond<protocol::DeliverReply>> held;
  bool cut = false;
  rpc::Client client;
};

TEST(GcsDeltaTest, ASlowSubscriberGetsFewerAndNewerFacts) {
  GcsWorld world;
  world.StartServer();
  RawSubscriber slow(world);
  auto node = world.AddNode('a');
  for (std::uint32_t i = 1; i <= 5; ++i) {
    node->SetWorkers(i);
    world.loop.RunFor(seconds(1));
  }
  ASSERT_EQ(slow.deltas.size(), 1U);
  slow.held[0](protocol::DeliverReply());
  world.loop.RunFor(milliseconds(10));
  ASSERT_EQ(slow.deltas.size(), 2U);
  EXPECT_EQ(slow.deltas[1].sequence(), 2U);
  ASSERT_EQ(slow.deltas[1].records_size(), 1);
  protocol::NodeInfo newest;
  ASSERT_TRUE(newest.ParseFromString(slow.deltas[1].records(0).value()));
  EXPECT_EQ(newest.worker_count(), 5U);
}

TEST(GcsDeltaTest, ASubscriberWithMoreThanTheBoundWaitingIsCutOff) {
  GcsWorld world;
  world.config.deltas_queued_max = 2;
  world.StartServer();
  RawSubscriber slow(world);
  std::vector<std::unique_ptr<TestNode>> nodes;
  for (const char letter : {'a', 'b', 'c'}) nodes.push_back(world.AddNode(letter));
  EXPECT_FALSE(slow.cut) << "one in flight, two wait";
  nodes.push_back(world.AddNode('d'));
  EXPECT_TRUE(slow.cut);
  world.server->CheckInvariants();
}

TEST(GcsDeltaTest, ASubscriberThatNeverAnswersIsCutOff) {
  GcsWorld world;
  world.StartServer();
  RawSubscriber stuck(world);
  auto node = world.AddNode('a');
  world.loop.RunFor(protocol::kDeliver.timeout - seconds(1));
  EXPECT_FALSE(stuck.cut);
  world.loop.RunFor(seconds(2));
  EXPECT_TRUE(stuck.cut);
}

}  // namespace
}  // namespace mobula::gcs
