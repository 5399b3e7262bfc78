#include <gtest/gtest.h>

#include "components/gcs/client/follower.h"
#include "components/gcs/server/death_table.h"
#include "components/gcs/server/job_table.h"
#include "components/gcs/server/key_value.h"
#include "components/gcs/server/node_table.h"
#include "components/protocol/gcs_convert.h"

namespace mobula::gcs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

protocol::NodeInfo Node(char letter) {
  protocol::NodeInfo node;
  node.set_node_id(std::string(NodeId::kSize, letter));
  return node;
}

struct Nodes {
  ServerConfig config;
  NodeTable table{config};
  TimePoint now{};
  Step step;

  Result<std::uint64_t> Register(const protocol::NodeInfo& node, SessionId session = 1) {
    step = {};
    return table.Register(node, session, now, Duration(0), step);
  }
  bool Heartbeat(const protocol::NodeInfo& node, std::uint64_t epoch) {
    step = {};
    protocol::HeartbeatRequest request;
    request.set_node_id(node.node_id());
    request.set_epoch(epoch);
    *request.mutable_changed() = node;
    return table.Heartbeat(request, 1, now, step);
  }
};

TEST(NodeTableTest, EveryNodeGetsAnEpochOfItsOwnAndKeepsIt) {
  Nodes nodes;
  const auto a = nodes.Register(Node('a'));
  const auto b = nodes.Register(Node('b'));
  EXPECT_NE(*a, *b);
  EXPECT_EQ(*nodes.Register(Node('a'), 2), *a);
  EXPECT_TRUE(nodes.step.changes.empty()) << "nothing changed";
}

TEST(NodeTableTest, TheDeadAreRefusedForEverEvenWhenForgotten) {
  Nodes nodes;
  nodes.config.dead_nodes_kept_max = 1;
  protocol::NodeInfo a = Node('a');
  a.set_epoch(*nodes.Register(a));
  std::ignore = nodes.Register(Node('b'));
  EXPECT_TRUE(nodes.table.DeclareDead(protocol::IdOf(a), "test", nodes.step));
  EXPECT_EQ(nodes.Register(a).error().code(), ErrorCode::kNodeDied);
  EXPECT_FALSE(nodes.Heartbeat(a, a.epoch()));
  nodes.table.DeclareDead(protocol::IdOf(Node('b')), "test", nodes.step);
  EXPECT_EQ(nodes.table.Find(protocol::IdOf(a)), nullptr);
  EXPECT_EQ(nodes.Register(a).error().code(), ErrorCode::kNodeDied);
  nodes.table.CheckInvariants();
}

TEST(NodeTableTest, AHeartbeatOfAnotherEpochIsRefused) {
  Nodes nodes;
  const auto epoch = *nodes.Register(Node('a'));
  EXPECT_FALSE(nodes.Heartbeat(Node('a'), epoch + 1));
  EXPECT_TRUE(nodes.Heartbeat(Node('a'), epoch));
}

TEST(NodeTableTest, AHeartbeatThatSaysNothingNewMakesNoDelta) {
  Nodes nodes;
  protocol::NodeInfo node = Node('a');
  const auto epoch = *nodes.Register(node);
  nodes.Heartbeat(node, epoch);
  EXPECT_TRUE(nodes.step.records.empty());
  node.set_worker_count(3);
  nodes.Heartbeat(node, epoch);
  ASSERT_EQ(nodes.step.records.size(), 1U);
  EXPECT_TRUE(nodes.step.changes.empty()) << "what changes all the time is not stored";
}

TEST(NodeTableTest, ANodeCannotChangeWhatIsTheGcsToSay) {
  Nodes nodes;
  protocol::NodeInfo node = Node('a');
  const auto epoch = *nodes.Register(node);
  node.set_state(protocol::DEAD);
  node.set_death_reason("says who?");
  node.set_epoch(77);
  nodes.Heartbeat(node, epoch);
  const protocol::NodeInfo* stored = nodes.table.Find(protocol::IdOf(node));
  EXPECT_EQ(stored->state(), protocol::ALIVE);
  EXPECT_EQ(stored->epoch(), epoch);
  EXPECT_EQ(stored->death_reason(), "");
}

TEST(NodeTableTest, ALostConnectionShortensTheWaitAndAHeartbeatEndsSuspicion) {
  Nodes nodes;
  const auto epoch = *nodes.Register(Node('a'), 1);
  EXPECT_EQ(nodes.table.NextDeadline(), TimePoint(seconds(5)));
  EXPECT_TRUE(nodes.table.SessionLost(1, nodes.now));
  EXPECT_EQ(nodes.table.NextDeadline(), TimePoint(milliseconds(500)));
  EXPECT_EQ(nodes.table.Overdue(TimePoint(milliseconds(499))).size(), 0U);
  EXPECT_EQ(nodes.table.Overdue(TimePoint(milliseconds(500))).size(), 1U);
  EXPECT_TRUE(nodes.Heartbeat(Node('a'), epoch));
  EXPECT_EQ(nodes.table.NextDeadline(), TimePoint(seconds(5)));
}

TEST(NodeTableTest, AVersionAfterARestartIsAboveAllBeforeIt) {
  Nodes before;
  protocol::NodeInfo node = Node('a');
  const auto epoch = *before.Register(node);
  const Table::Stored stored{.records = {{node.node_id(), *before.step.changes.back().value}}};
  node.set_worker_count(1);
  before.Heartbeat(node, epoch);
  const auto version = before.table.Find(protocol::IdOf(node))->version();
  Nodes after;
  ASSERT_TRUE(after.table.Load(
      stored, {.meta = {{kLastEpochKey, std::to_string(epoch)}}, .generation = 1}));
  node.set_worker_count(2);
  EXPECT_EQ(*after.Register(node), epoch);
  EXPECT_GT(after.table.Find(protocol::IdOf(node))->version(), version);
}

TEST(NodeTableTest, GarbageInTheStorageIsReportedAndNotSkipped) {
  Nodes nodes;
  const auto loaded = nodes.table.Load({.records = {{"k", "garbage"}}}, {});
  EXPECT_EQ(loaded.error().ToString(),
            "corrupt: what stands under 6b in table 'nodes' is not a valid record");
}

protocol::StartJobRequest Request(const std::string& id) {
  protocol::StartJobRequest request;
  request.set_request_id(id);
  return request;
}

TEST(JobTableTest, ARequestIdMakesOneJob) {
  ServerConfig config;
  JobTable jobs(config);
  Step step;
  const auto first = jobs.Start(Request("r1"), Duration(0), step);
  EXPECT_EQ(first->Hex(), "00000001");
  Step again;
  EXPECT_EQ(*jobs.Start(Request("r1"), Duration(0), again), *first);
  EXPECT_TRUE(again.changes.empty());
  EXPECT_EQ(jobs.Start(Request("r2"), Duration(0), step)->Hex(), "00000002");
  EXPECT_EQ(jobs.Start(Request(""), Duration(0), step).error().code(), ErrorCode::kInvalidArgument);
}

TEST(JobTableTest, TheFirstEndOfAJobCounts) {
  ServerConfig config;
  JobTable jobs(config);
  Step step;
  const JobId id = *jobs.Start(Request("r"), Duration(0), step);
  EXPECT_TRUE(jobs.Finish(id, "SUCCEEDED", "", Duration(0), step));
  EXPECT_TRUE(jobs.Finish(id, "FAILED", "late", Duration(0), step));
  jobs.ForEach([](const protocol::JobInfo& job) { EXPECT_EQ(job.state(), "SUCCEEDED"); });
  EXPECT_EQ(jobs.Finish(id, "TIRED", "", Duration(0), step).error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(jobs.Finish(JobId(), "FAILED", "", Duration(0), step).error().code(),
            ErrorCode::kNotFound);
}

TEST(JobTableTest, ForgetsTheOldestFinishedJobsOnly) {
  ServerConfig config;
  config.finished_jobs_kept_max = 2;
  JobTable jobs(config);
  Step step;
  std::ignore = jobs.Start(Request("runs"), Duration(0), step);
  for (const char* name : {"a", "b", "c"}) {
    std::ignore =
        jobs.Finish(*jobs.Start(Request(name), Duration(0), step), "FAILED", "", Duration(0), step);
    jobs.CheckInvariants();
  }
  std::string left;
  jobs.ForEach([&left](const protocol::JobInfo& job) { left += protocol::IdOf(job).Hex() + " "; });
  EXPECT_EQ(left, "00000001 00000003 00000004 ");
}

TEST(KeyValueTest, SpacesAreApartAndPrefixesStayInside) {
  KeyValue keys(10, 1000);
  const auto put = [&keys](const char* space, const char* key, bool keep = false) {
    protocol::PutValueRequest request;
    request.set_space(space);
    request.set_key(key);
    request.set_keep_existing(keep);
    Step step;
    return *keys.Put(request, step);
  };
  EXPECT_TRUE(put("s", "ab"));
  EXPECT_TRUE(put("s", "a"));
  EXPECT_TRUE(put("sa", "b", true));
  EXPECT_FALSE(put("sa", "b", true));
  EXPECT_EQ(keys.Keys("s", "a"), (std::vector<std::string>{"a", "ab"}));
  protocol::DeleteValuesRequest request;
  request.set_space("s");
  request.set_key("a");
  Step step;
  EXPECT_EQ(keys.Delete(request, step), 1U);
  request.set_key("");
  request.set_is_prefix(true);
  EXPECT_EQ(keys.Delete(request, step), 1U);
  EXPECT_EQ(keys.Keys("sa", ""), (std::vector<std::string>{"b"}));
}

TEST(KeyValueTest, AValueAboveTheBoundIsRefusedWithBothNumbers) {
  KeyValue keys(1024, 4096);
  protocol::PutValueRequest request;
  request.set_key("program");
  request.set_value(std::string(2048, 'x'));
  Step step;
  EXPECT_EQ(keys.Put(request, step).error().ToString(),
            "resource_exhausted: the value of 'program' has 2 KiB; at most 1 KiB are stored");
}

TEST(KeyValueTest, AllValuesTogetherAreBoundedAndADeleteMakesRoom) {
  KeyValue keys(1024, 2048);
  ASSERT_TRUE(keys.Load({.sizes = {{KeyValue::StorageKey("programs", "old"), 1024}}}, {}));
  Step step;
  const auto put = [&](const char* key, std::size_t size) {
    protocol::PutValueRequest request;
    request.set_space("programs");
    request.set_key(key);
    request.set_value(std::string(size, 'x'));
    return keys.Put(request, step);
  };
  EXPECT_TRUE(put("new", 1024));
  EXPECT_TRUE(put("new", 1024));  // in its own place
  EXPECT_EQ(put("next", 1024).error().ToString(),
            "resource_exhausted: with the value of 'next' of space 'programs' the cluster would "
            "store 3 KiB; allowed are 2 KiB");
  protocol::DeleteValuesRequest request;
  request.set_space("programs");
  request.set_key("old");
  EXPECT_EQ(keys.Delete(request, step), 1U);
  EXPECT_TRUE(put("next", 1024));
  EXPECT_EQ(keys.Keys("programs", "").size(), 2U);
}

TEST(DeathTableTest, AWorkerDiesOnceAndTheOldestDeathsAreForgotten) {
  DeathTable deaths(2);
  const auto report = [&deaths](const char* worker) {
    protocol::WorkerDeath death;
    death.set_worker_id(worker);
    Step step;
    return deaths.Report(death, step);
  };
  EXPECT_TRUE(report("a"));
  EXPECT_FALSE(report("a"));
  report("b");
  report("c");
  std::string kept;
  deaths.ForEachRecord([&kept](std::string_view worker, const auto&) { kept += worker; });
  EXPECT_EQ(kept, "bc");
}

struct Received {
  Follower<protocol::NodeInfo> follower;
  std::string text;
  Follower<protocol::NodeInfo>::Report report = [this](const protocol::NodeInfo& node) {
    text += fmt::format("{}{}{} ", node.node_id()[0], node.worker_count(),
                        protocol::IsAlive(node) ? "" : "!");
  };
};

protocol::NodeInfo Version(char letter, std::uint64_t version, std::uint32_t workers) {
  protocol::NodeInfo node = Node(letter);
  node.set_state(protocol::ALIVE);
  node.set_version(version);
  node.set_worker_count(workers);
  return node;
}

TEST(FollowerTest, ASecondSnapshotReportsOnlyWhatIsNew) {
  Received received;
  received.follower.Snapshot(std::vector{Version('a', 1, 0), Version('b', 2, 0)}, received.report);
  received.follower.Apply(Version('a', 5, 1), received.report);
  EXPECT_EQ(received.text, "a0 b0 a1 ");
  received.text.clear();
  received.follower.Snapshot(
      std::vector{Version('a', 1, 0), Version('b', 9, 0), Version('c', 10, 0)}, received.report);
  EXPECT_EQ(received.text, "c0 ") << "an older record and the same facts are no news";
}

TEST(FollowerTest, TheEndOfARecordIsReportedOnceHoweverItIsLearned) {
  Received received;
  received.follower.Snapshot(
      std::vector{Version('a', 1, 0), Version('b', 2, 0), Version('c', 3, 0)}, received.report);
  received.text.clear();
  protocol::NodeInfo dead = Version('a', 4, 0);
  dead.set_state(protocol::DEAD);
  received.follower.Apply(dead, received.report);
  protocol::NodeInfo also_dead = Version('b', 5, 0);
  also_dead.set_state(protocol::DEAD);
  for (int i = 0; i < 3; ++i) {
    received.follower.Snapshot(std::vector{dead, also_dead}, received.report);
  }
  EXPECT_EQ(received.text, "a0! b0! c0! ");
}

TEST(FollowerTest, DeathsOfTheFirstSnapshotAreOldNews) {
  DeathFollower follower;
  std::string text;
  const DeathFollower::Report report = [&](const protocol::WorkerDeath& d) {
    text += d.worker_id();
  };
  std::vector<protocol::WorkerDeath> deaths(1);
  deaths[0].set_worker_id("a");
  follower.Snapshot(deaths, report);
  deaths.emplace_back().set_worker_id("b");
  follower.Snapshot(deaths, report);
  follower.Apply(deaths[1], report);
  EXPECT_EQ(text, "b");
}

}  // namespace
}  // namespace mobula::gcs
