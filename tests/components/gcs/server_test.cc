#include "components/gcs/server.h"

#include <algorithm>

#include "components/gcs/faulty/storage.h"
#include "components/protocol/gcs.pb.h"
#include "components/protocol/gcs_methods.h"
#include "tests/components/gcs/gcs_world.h"

namespace mobula::gcs {
namespace {

protocol::JobInfo JobOn(char node, const std::string& driver) {
  protocol::JobInfo job;
  job.set_node_id(NodeIdOf(node));
  job.set_driver_id(driver);
  return job;
}

TEST(GcsServerTest, ANodeThatReconnectsWithinTheGraceStaysAlive) {
  GcsWorld world;
  world.StartServer();
  auto node = world.AddNode('a');
  EXPECT_TRUE(node->registered);
  Observer observer(world);
  EXPECT_EQ(observer.Take(), "a0 ");
  node->client.Stop();  // its connection is lost; another with the same identity comes soon
  world.loop.RunFor(milliseconds(400));
  TestNode again(world.loop, *world.transport, 'a', 9);
  world.loop.RunFor(seconds(20));
  EXPECT_TRUE(again.registered);
  EXPECT_EQ(again.epoch, node->epoch);
  EXPECT_EQ(observer.Take(), "");
  world.server->CheckInvariants();
}

TEST(GcsServerTest, ANodeThatStaysAwayIsDeadAfterTheGraceAndHeardOfOnce) {
  GcsWorld world;
  world.StartServer();
  auto node = world.AddNode('a');
  Observer observer(world);
  observer.Take();
  const TimePoint lost = world.loop.Now();
  node.reset();
  EXPECT_TRUE(world.loop.RunUntil([&] { return observer.received == "a0! "; }, seconds(5)));
  EXPECT_EQ(world.loop.Now() - lost, milliseconds(500));
  world.loop.RunFor(seconds(60));
  EXPECT_EQ(observer.Take(), "a0! ");
  EXPECT_EQ(world.Look(*observer.client, 'a').death_reason(),
            "connection lost and not back within 500 ms");
}

TEST(GcsServerTest, APausedNodeIsDeadAfterTheTimeoutAndFencedWhenItWakes) {
  GcsWorld world;
  world.StartServer();
  auto node = world.AddNode('a');
  Observer observer(world);
  observer.Take();
  node->loop.Pause();
  world.loop.RunFor(seconds(4));
  EXPECT_EQ(observer.Take(), "");
  world.loop.RunFor(seconds(2));
  EXPECT_EQ(observer.Take(), "a0! ");
  EXPECT_EQ(node->fenced, 0);
  node->SetWorkers(7);  // it did not notice and goes on
  node->loop.Resume();
  world.loop.RunFor(seconds(10));
  EXPECT_EQ(node->fenced, 1);
  EXPECT_EQ(observer.Take(), "") << "nothing it said since counts";
  EXPECT_EQ(world.Look(*observer.client, 'a').death_reason(), "no heartbeat for 5 s");
}

TEST(GcsServerTest, AFencedNodeIsLoggedOnceHoweverManyOfItsHeartbeatsArrive) {
  GcsWorld world;
  world.StartServer();
  auto node = world.AddNode('a');
  (void)world.Await<protocol::LeaveNodeReply>(
      [&](auto done) { node->client.LeaveNode("unplugged", std::move(done)); });
  // What the node had sent before the network parted, and did not take back.
  rpc::Client late(world.loop, *world.transport, "inproc://gcs", Random(9), rpc::ClientOptions());
  late.Connect();
  protocol::HeartbeatRequest beat;
  beat.set_node_id(NodeIdOf('a'));
  beat.set_epoch(node->epoch);
  for (int i = 0; i < 5; ++i) {
    const auto reply = world.Await<protocol::HeartbeatReply>(
        [&](auto done) { late.Call(protocol::kHeartbeat, beat, std::move(done)); });
    ASSERT_TRUE(reply.has_value());
    EXPECT_FALSE(reply->known()) << "each of them is told";
  }
  EXPECT_EQ(
      std::ranges::count_if(world.lines, [](const auto& line) { return line.contains("fenced"); }),
      1);
}

TEST(GcsServerTest, ADeadNodeIdNeverComesBackButAFreshOneDoes) {
  GcsWorld world;
  world.StartServer();
  world.AddNode('a');  // gone at once
  world.loop.RunFor(seconds(2));
  auto same = world.AddNode('a');
  EXPECT_FALSE(same->registered);
  EXPECT_EQ(same->fenced, 0) << "it never was registered: `done` says it";
  auto fresh = world.AddNode('b');
  EXPECT_TRUE(fresh->registered);
}

TEST(GcsServerTest, AGcsThatWasPausedItselfDeclaresNobodyDead) {
  GcsWorld world;
  ScopedEventLoop process(world.loop);
  ScopedEventLoop network(world.loop);
  auto transport = transport::MakeInprocessTransport(network);
  Server server({process, world.storage, world.log, world.metrics, Random(1)}, {});
  server.Start([](const Result<void>&) {});
  world.loop.RunFor(milliseconds(10));
  ASSERT_TRUE(server.Listen(*transport, "inproc://gcs"));
  TestNode node(world.loop, *transport, 'a', 2);
  world.loop.RunFor(seconds(3));
  EXPECT_TRUE(node.registered);
  process.Pause();
  network.Pause();
  world.loop.RunFor(seconds(60));
  process.Resume();  // the timers are due at once, what waits in the network comes a little later
  world.loop.RunFor(milliseconds(100));
  network.Resume();
  world.loop.RunFor(seconds(60));
  EXPECT_EQ(node.fenced, 0);
}

TEST(GcsServerTest, ANodeThatLeavesIsDeadAtOnceAndSaysWhy) {
  GcsWorld world;
  world.StartServer();
  auto node = world.AddNode('a');
  Observer observer(world);
  observer.Take();
  EXPECT_TRUE(world.Await<protocol::LeaveNodeReply>(
      [&](auto d) { node->client.LeaveNode("asked to stop", d); }));
  world.loop.RunFor(milliseconds(1));
  EXPECT_EQ(observer.Take(), "a0! ");
  EXPECT_EQ(world.Look(*observer.client, 'a').death_reason(), "left: asked to stop");
  EXPECT_EQ(node->fenced, 0);
}

TEST(GcsServerTest, JobsFailWithTheNodeOfTheirDriver) {
  GcsWorld world;
  world.StartServer();
  auto a = world.AddNode('a');
  auto b = world.AddNode('b');
  Observer observer(world);
  auto& client = *observer.client;
  EXPECT_TRUE(world.Await<JobId>([&](auto d) { client.StartJob(JobOn('a', "driver1"), d); }));
  EXPECT_TRUE(world.Await<JobId>([&](auto d) { client.StartJob(JobOn('b', "driver2"), d); }));
  world.loop.RunFor(milliseconds(1));
  EXPECT_EQ(observer.Take(), "a0 b0 j1R j2R ");
  a.reset();
  world.loop.RunFor(seconds(1));
  EXPECT_EQ(observer.Take(), "a0! w:driver1 j1F ");
  const auto jobs =
      world.Await<std::vector<protocol::JobInfo>>([&](auto d) { client.ListJobs(d); });
  EXPECT_EQ((*jobs)[0].state(), "FAILED");
  EXPECT_EQ((*jobs)[1].state(), "RUNNING");
  const auto refused = world.Await<JobId>([&](auto d) { client.StartJob(JobOn('a', "x"), d); });
  EXPECT_EQ(refused.error().code(), ErrorCode::kNodeDied);
  world.server->CheckInvariants();
}

TEST(GcsServerTest, NothingIsSentWhenNothingChanges) {
  GcsWorld world;
  world.StartServer();
  auto a = world.AddNode('a');
  auto b = world.AddNode('b');
  Observer observer(world);
  observer.Take();
  const auto sent = world.metrics.Counter("gcs_deltas_sent");
  world.loop.RunFor(std::chrono::minutes(10));
  EXPECT_EQ(world.metrics.Counter("gcs_deltas_sent"), sent);
  EXPECT_GE(world.metrics.Counter("gcs_heartbeats"), 1100);
  a->SetWorkers(3);
  world.loop.RunFor(seconds(2));
  EXPECT_EQ(world.metrics.Counter("gcs_deltas_sent"), sent + 1);
  EXPECT_EQ(observer.Take(), "a3 ");
}

TEST(GcsServerTest, WorkerDeathsReachSubscribersOnce) {
  GcsWorld world;
  world.StartServer();
  Observer observer(world);
  auto reporter = world.AddClient();
  protocol::WorkerDeath death;
  death.set_worker_id("x");
  reporter->ReportWorkerDeath(death);
  reporter->ReportWorkerDeath(death);
  world.loop.RunFor(seconds(1));
  EXPECT_EQ(observer.Take(), "w:x ");
}

TEST(GcsServerTest, KeysAreKeptReplacedListedAndDeleted) {
  GcsWorld world;
  world.StartServer();
  auto client = world.AddClient();
  const auto put = [&](const char* key, const char* value, PutMode mode) {
    const auto reply = world.Await<protocol::PutValueReply>(
        [&](auto d) { client->Put("s", key, value, d, mode); });
    return reply && reply->added();
  };
  const auto get = [&](const char* key) {
    return *world.Await<std::optional<std::string>>([&](auto d) { client->Get("s", key, d); });
  };
  EXPECT_EQ(get("k"), std::nullopt);
  EXPECT_TRUE(put("k", "1", PutMode::kKeepExisting));
  EXPECT_FALSE(put("k", "2", PutMode::kKeepExisting));
  EXPECT_TRUE(put("k", "1", PutMode::kKeepExisting)) << "it holds what was given";
  EXPECT_EQ(get("k"), "1");
  EXPECT_TRUE(put("k", "2", PutMode::kReplace));
  EXPECT_EQ(get("k"), "2");
  put("l", "3", PutMode::kReplace);
  EXPECT_EQ(*world.Await<std::vector<std::string>>([&](auto d) { client->Keys("s", "", d); }),
            (std::vector<std::string>{"k", "l"}));
  EXPECT_EQ(world
                .Await<protocol::DeleteValuesReply>(
                    [&](auto d) { client->Delete("s", "", d, KeyMatch::kPrefix); })
                ->count(),
            2U);
  EXPECT_EQ(get("k"), std::nullopt);
}

TEST(GcsServerTest, TheClusterIdIsMintedOnceAndBelongsToTheStorage) {
  GcsWorld world;
  world.StartServer();
  const ClusterId first = world.server->cluster_id();
  EXPECT_FALSE(first.IsNil());
  world.KillServer();
  world.StartServer();
  EXPECT_EQ(world.server->cluster_id(), first);
  world.KillServer();
  ServerConfig other;
  other.cluster_id = Random(99).NewId<ClusterId>();
  Server server({world.loop, world.storage, world.log, world.metrics, Random(1)}, other);
  const auto started = world.Await<void>([&](auto done) { server.Start(std::move(done)); });
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code(), ErrorCode::kInvalidArgument);
}

/// Lends the storage of a test to a decorator that wants to own one.
class BorrowedStorage final : public Storage {
 public:
  explicit BorrowedStorage(Storage& inner) : inner_(inner) {}
  void Write(std::vector<Change> changes,
             std::move_only_function<void(Result<void>)> done) override {
    inner_.Write(std::move(changes), std::move(done));
  }
  void Read(std::string_view table, std::string_view key,
            std::move_only_function<void(Result<std::optional<std::string>>)> done) override {
    inner_.Read(table, key, std::move(done));
  }
  void Scan(std::string_view table, std::string_view prefix,
            std::move_only_function<void(Result<Entries>)> done) override {
    inner_.Scan(table, prefix, std::move(done));
  }
  void ListKeys(std::string_view table, std::string_view prefix,
                std::move_only_function<void(Result<std::vector<KeySize>>)> done) override {
    inner_.ListKeys(table, prefix, std::move(done));
  }
  [[nodiscard]] std::string_view Name() const override { return "borrowed"; }

 private:
  Storage& inner_;
};

TEST(GcsServerTest, NobodyHearsOfWhatIsNotDurableYet) {
  GcsWorld world;
  FaultyStorage slow(world.loop, Random(1), std::make_unique<BorrowedStorage>(world.storage),
                     {{.table = "nodes", .skip = 1, .delay = seconds(2)}});  // but for the start
  world.StartServer(&slow);
  Observer observer(world);
  TestNode node(world.loop, *world.transport, 'a', 2);
  world.loop.RunFor(milliseconds(10));
  std::size_t listed = 99;
  observer.client->ListNodes([&](const auto& nodes) { listed = nodes->size(); });
  world.loop.RunFor(seconds(1));
  EXPECT_EQ(observer.Take(), "");
  EXPECT_FALSE(node.registered);
  EXPECT_EQ(listed, 99U) << "an answer that may show it waits too";
  world.loop.RunFor(seconds(2));
  EXPECT_EQ(observer.Take(), "a0 ");
  EXPECT_TRUE(node.registered);
  EXPECT_EQ(listed, 1U);
  observer.client->Stop();
  world.KillServer();
}

TEST(GcsServerTest, AReadThatFailsEndsTheServerAsAWriteDoes) {
  GcsWorld world;
  FaultyStorage faulty(world.loop, Random(1), std::make_unique<BorrowedStorage>(world.storage),
                       {{.operation = StorageFault::Operation::kRead, .error = true}});
  world.StartServer(&faulty);
  auto client = world.AddClient();
  client->Get("s", "k", [](const auto&) {});
  world.loop.RunFor(seconds(1));
  ASSERT_TRUE(world.failure);
  EXPECT_EQ(world.failure->message(),
            "the storage 'faulty' failed: storage fault: an I/O error was injected");
  client->Stop();
  world.KillServer();
}

/// Counts the bytes that are read of it.
class CountingStorage final : public Storage {
 public:
  explicit CountingStorage(Storage& inner) : inner_(inner) {}
  void Write(std::vector<Change> changes, Done<void> done) override {
    inner_.Write(std::move(changes), std::move(done));
  }
  void Read(std::string_view table, std::string_view key,
            Done<std::optional<std::string>> done) override {
    inner_.Read(table, key,
                [this, done = std::move(done)](Result<std::optional<std::string>> r) mutable {
                  bytes_read += (*r)->size();
                  done(std::move(r));
                });
  }
  void Scan(std::string_view table, std::string_view prefix, Done<Entries> done) override {
    inner_.Scan(table, prefix, [this, done = std::move(done)](Result<Entries> r) mutable {
      for (const auto& [key, value] : *r) bytes_read += value.size();
      done(std::move(r));
    });
  }
  void ListKeys(std::string_view table, std::string_view prefix,
                Done<std::vector<KeySize>> done) override {
    inner_.ListKeys(table, prefix, std::move(done));
  }
  [[nodiscard]] std::string_view Name() const override { return "counting"; }
  std::size_t bytes_read = 0;

 private:
  Storage& inner_;
};

TEST(GcsServerTest, AStartReadsNoValueAndKnowsItsSizeAllTheSame) {
  GcsWorld world;
  world.config.values_bytes_max = 1000;
  world.StartServer();
  auto client = world.AddClient();
  const auto put = [&](const char* key, std::size_t size) {
    return world.Await<protocol::PutValueReply>(
        [&](auto d) { client->Put("programs", key, std::string(size, 'x'), d); });
  };
  ASSERT_TRUE(put("a", 900));
  world.KillServer();
  CountingStorage counting(world.storage);
  world.StartServer(&counting);
  EXPECT_LT(counting.bytes_read, 900U);
  EXPECT_EQ(put("b", 200).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(
      world.Await<std::optional<std::string>>([&](auto d) { client->Get("programs", "a", d); })
          ->value()
          .size(),
      900U);
  client->Stop();
  world.KillServer();
}

class FailingWriteTest : public testing::TestWithParam<std::tuple<int, bool>> {};

TEST_P(FailingWriteTest, NothingAcknowledgedIsLost) {
  const auto [spared, applied] = GetParam();
  GcsWorld world;
  FaultyStorage faulty(world.loop, Random(1), std::make_unique<BorrowedStorage>(world.storage),
                       {{.operation = StorageFault::Operation::kWrite,
                         .skip = static_cast<std::uint64_t>(spared),
                         .error = true,
                         .applied = applied}});
  world.StartServer(&faulty);
  auto client = world.AddClient();
  std::vector<std::string> acknowledged;
  int answers = 0;
  for (int i = 0; i < 5; ++i) {
    const std::string key = std::to_string(i);
    client->Put("s", key, "v", [&, key](const Result<protocol::PutValueReply>& reply) {
      ++answers;
      if (reply) acknowledged.push_back(key);
    });
  }
  JobId job;
  client->StartJob({}, [&job](const Result<JobId>& r) { job = r.value_or(JobId()); });
  world.loop.RunFor(seconds(1));
  ASSERT_TRUE(world.failure) << "the process is told to end";
  EXPECT_EQ(world.failure->code(), ErrorCode::kInternal);
  world.KillServer();
  const auto before = acknowledged;
  world.StartServer();  // the disk is well again
  for (const std::string& key : before) {
    EXPECT_EQ(*world.Await<std::optional<std::string>>([&](auto d) { client->Get("s", key, d); }),
              "v");
  }
  world.loop.RunFor(seconds(10));
  EXPECT_EQ(answers, 5) << "calls that can be repeated were";
  EXPECT_EQ(acknowledged.size(), 5U);
  EXPECT_EQ(job.Hex(), "00000001");
  EXPECT_EQ(
      world.Await<std::vector<protocol::JobInfo>>([&](auto d) { client->ListJobs(d); })->size(), 1U)
      << "one request, one job";
}
INSTANTIATE_TEST_SUITE_P(EveryWrite, FailingWriteTest,
                         testing::Combine(testing::Range(1, 7), testing::Bool()));

}  // namespace
}  // namespace mobula::gcs
