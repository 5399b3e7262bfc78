#include "components/gcs/server/pubsub.h"

#include <gtest/gtest.h>

#include "components/gcs/server/tables.h"
#include "tests/components/gcs/gcs_world.h"

namespace mobula::gcs {
namespace {

Topics Of(protocol::Channel channel, const std::set<std::string, std::less<>>& keys = {}) {
  Topics topics;
  topics.Add(channel, keys);
  return topics;
}

std::vector<protocol::Record> Change(const std::string& key, const std::string& value,
                                     protocol::Channel channel = protocol::NODES) {
  Step step;
  step.Tell(channel, key, value);
  return step.records;
}

TEST(PubSubTest, OneDeltaIsInFlightAndTheNewestRecordWaits) {
  PubSub pubsub(10);
  pubsub.Add(1, Of(protocol::NODES));
  EXPECT_TRUE(pubsub.Publish(Change("a", "1")).empty());
  EXPECT_EQ(pubsub.Take(1)->records(0).value(), "1");
  for (int i = 2; i < 1000; ++i) {
    EXPECT_TRUE(pubsub.Publish(Change("a", std::to_string(i))).empty());
    EXPECT_FALSE(pubsub.Take(1));
  }
  EXPECT_EQ(pubsub.Queued(1), 1U);
  pubsub.Acknowledge(1);
  const auto next = pubsub.Take(1);
  EXPECT_EQ(next->sequence(), 2U);
  EXPECT_EQ(next->records(0).value(), "999");
}

TEST(PubSubTest, ASubscriberAboveTheBoundIsDropped) {
  PubSub pubsub(2);
  pubsub.Add(1, Of(protocol::NODES));
  pubsub.Add(2, Of(protocol::WORKERS));
  EXPECT_TRUE(pubsub.Publish(Change("a", "")).empty());
  EXPECT_TRUE(pubsub.Publish(Change("b", "")).empty());
  EXPECT_EQ(pubsub.Publish(Change("c", "")), std::vector<SessionId>{1});
  EXPECT_EQ(pubsub.Subscribers(), std::vector<SessionId>{2});
  pubsub.CheckInvariants();
}

TEST(PubSubTest, ALargeDeltaGoesInPieces) {
  PubSub pubsub(5000);
  pubsub.Add(1, Of(protocol::WORKERS));
  Step step;
  for (int i = 0; i < 2500; ++i) step.Tell(protocol::WORKERS, std::to_string(i), "");
  EXPECT_TRUE(pubsub.Publish(step.records).empty());
  std::vector<int> sizes;
  while (const auto piece = pubsub.Take(1)) {
    sizes.push_back(piece->records_size());
    pubsub.Acknowledge(1);
  }
  EXPECT_EQ(sizes, (std::vector<int>{1000, 1000, 500}));
}

TEST(PubSubTest, ASubscriberWithKeysHearsOfThemAlone) {
  PubSub pubsub(1);
  pubsub.Add(1, Of(protocol::JOBS, {"j1"}));
  EXPECT_TRUE(pubsub.Publish(Change("j2", "R", protocol::JOBS)).empty());
  EXPECT_TRUE(pubsub.Publish(Change("j1", "R", protocol::NODES)).empty());
  EXPECT_FALSE(pubsub.Take(1)) << "what it did not ask for does not wait for it either";
  EXPECT_TRUE(pubsub.Publish(Change("j1", "R", protocol::JOBS)).empty());
  EXPECT_EQ(pubsub.Take(1)->records(0).key(), "j1");
}

TEST(TopicsTest, AWholeChannelIsWiderThanItsKeysWhateverComesFirst) {
  Topics topics = Of(protocol::JOBS, {"j1"});
  topics.Add(protocol::JOBS, {"j2"});
  EXPECT_TRUE(topics.Contains(protocol::JOBS, "j1") && topics.Contains(protocol::JOBS, "j2"));
  EXPECT_FALSE(topics.Contains(protocol::JOBS, "j3"));
  topics.Add(protocol::JOBS, {});
  EXPECT_TRUE(topics.Contains(protocol::JOBS, "j3"));
  topics.Add(protocol::JOBS, {"j1"});
  EXPECT_TRUE(topics.Contains(protocol::JOBS, "j3"));
}

/// \return what came of a subscription: the records received, or the error.
struct JobWatch {
  JobWatch(GcsWorld& world, std::vector<Topic> topics) : client(world.AddClient()) {
    Subscription subscription;
    subscription.on_node = [this](const protocol::NodeInfo& node) {
      received += fmt::format("{} ", node.node_id()[0]);
    };
    subscription.on_job = [this](const protocol::JobInfo& job) {
      received += fmt::format("j{}{} ", int{job.job_id()[3]}, job.state()[0]);
    };
    client->Subscribe(topics, std::move(subscription),
                      [this](const Result<protocol::SubscribeReply>& reply) {
                        if (!reply) error = reply.error().ToString();
                      });
    world.loop.RunFor(milliseconds(10));
  }
  std::unique_ptr<GcsClient> client;
  std::string received;
  std::string error;
};

TEST(KeyedSubscriptionTest, HearsOfOneJobInSnapshotDeltasAndAfterARestart) {
  GcsWorld world;
  world.StartServer();
  auto client = world.AddClient();
  const auto start = [&] { return *world.Await<JobId>([&](auto d) { client->StartJob({}, d); }); };
  const auto finish = [&](const JobId& job) {
    ASSERT_TRUE(world.Await<protocol::FinishJobReply>(
        [&](auto d) { client->FinishJob(job, "SUCCEEDED", "", d); }));
  };
  const JobId first = start();
  const JobId second = start();
  JobWatch watch(world, {Topic(protocol::JOBS, {std::string(second.Binary())})});
  EXPECT_EQ(watch.received, "j2R ");
  finish(first);
  start();
  world.loop.RunFor(seconds(1));
  EXPECT_EQ(watch.received, "j2R ");
  world.KillServer();
  world.StartServer();
  world.loop.RunFor(seconds(5));
  finish(second);
  world.loop.RunFor(seconds(1));
  EXPECT_EQ(watch.received, "j2R j2S ");
}

TEST(KeyedSubscriptionTest, MayNameAKeyThatDoesNotExistYet) {
  GcsWorld world;
  world.StartServer();
  JobWatch watch(world, {Topic(protocol::NODES, {NodeIdOf('b')}), protocol::JOBS});
  auto a = world.AddNode('a');
  auto b = world.AddNode('b');
  EXPECT_EQ(watch.received, "b ");
}

TEST(KeyedSubscriptionTest, WithTooManyKeysOrAnUnknownChannelIsRefused) {
  GcsWorld world;
  world.config.subscription_keys_max = 2;
  world.StartServer();
  JobWatch at_the_bound(world, {Topic(protocol::JOBS, {"1"}), Topic(protocol::NODES, {"2"})});
  EXPECT_EQ(at_the_bound.error, "");
  JobWatch above(world, {Topic(protocol::JOBS, {"1", "2"}), Topic(protocol::NODES, {"3"})});
  EXPECT_EQ(above.error,
            "resource_exhausted: a subscription names more than 2 keys; name fewer, or the whole "
            "channel");
  JobWatch unknown(world, {static_cast<protocol::Channel>(99)});
  EXPECT_EQ(unknown.error, "invalid_argument: this GCS has no channel 99");
}

}  // namespace
}  // namespace mobula::gcs
