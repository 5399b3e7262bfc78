// What happens to tasks and objects when workers, nodes and owners die.

#include <gtest/gtest.h>

#include "components/protocol/raylet.pb.h"
#include "tests/components/core_worker/sim_cluster.h"

namespace mobula::core_worker::sim {
namespace {

bool IsBusy(const Process& worker) { return worker.core.Count().served > 0; }

class FailuresTest : public ::testing::Test {
 protected:
  FailuresTest() {
    cluster.programs["slow"] = [](const TaskRunPtr& run) {
      run->After(seconds(1), [run] { run->Return("attempt " + std::to_string(run->attempt())); });
    };
    cluster.programs["fill"] = [](const TaskRunPtr& run) {
      run->Return(std::string(1000, run->Argument(0).at(0)));
    };
    cluster.programs["grow"] = [](const TaskRunPtr& run) {
      run->Return(run->Argument(0) + std::string(10, 'y'));
    };
    cluster.programs["size"] = [](const TaskRunPtr& run) {
      run->Return(std::to_string(run->Argument(0).size()));
    };
    // Dies as a process: only its raylet and its owner's connection know.
    cluster.programs["crash"] = [](const TaskRunPtr& run) {
      Process& self = run->process();
      self.cluster.loop.Post(
          [&self] { self.node.Kill(self, "signal 11 (SIGSEGV)", "last words"); });
    };
  }
  Cluster cluster;
};

TEST_F(FailuresTest, ATaskWhoseWorkerDiesRunsAgain) {
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  ReferencePtr result = driver.Submit("slow", {});
  cluster.RunFor(milliseconds(500));
  node.Kill(*node.FindWorker(IsBusy), "signal 9 (SIGKILL)");
  EXPECT_EQ(driver.Get(result).value_or("?"), "attempt 1");
  EXPECT_EQ(cluster.runs["slow"], 2);
  result.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, WithoutRetriesTheErrorSaysHowTheWorkerEnded) {
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  const Result<std::string> result = driver.Get(driver.Submit("crash", {}, {.max_retries = 2}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kWorkerDied);
  EXPECT_EQ(result.error().message(),
            "the last of 3 attempts: the worker died: signal 11 (SIGSEGV); last lines of its log: "
            "last words");
  ASSERT_NE(result.error().remote(), nullptr);
  EXPECT_EQ(result.error().remote()->task_name, "crash");
  EXPECT_EQ(result.error().remote()->node_id, cluster.nodes[0]->id.Hex());
  EXPECT_EQ(result.error().remote()->pid, 4711);
  EXPECT_EQ(cluster.runs["crash"], 3);
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, OnlyTheTaskThatRanIsCharged) {
  cluster.programs["brief"] = [](const TaskRunPtr& run) {
    run->After(std::chrono::microseconds(10), [run] { run->Return("brief"); });
  };
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(driver.Get(driver.Submit("brief", {})));
  // The window is wide now: all of these sit behind the one that crashes.
  ReferencePtr crash = driver.Submit("crash", {}, {.max_retries = 0});
  std::vector<ReferencePtr> behind;
  for (int i = 0; i < 20; ++i) behind.push_back(driver.Submit("brief", {}, {.max_retries = 0}));
  EXPECT_FALSE(driver.Get(crash));
  for (const ReferencePtr& one : behind) EXPECT_EQ(driver.Get(one).value_or("?"), "brief");
  EXPECT_EQ(cluster.runs["crash"], 1);
  crash.reset();
  behind.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, ATaskIsChargedForItselfThoughTheOneBeforeItWaitsForItsArgument) {
  cluster.programs["brief"] = [](const TaskRunPtr& run) { run->Return("brief"); };
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  ReferencePtr large = driver.Submit("fill", {"x"});
  EXPECT_TRUE(driver.Get(large));
  for (const std::int32_t max_retries : {0, 1}) {
    node.fetch_time = {};
    for (int i = 0; i < 10; ++i) EXPECT_TRUE(driver.Get(driver.Submit("brief", {})));
    node.fetch_time = milliseconds(5);
    ReferencePtr slow = driver.Submit("size", {large});
    ReferencePtr crash = driver.Submit("crash", {}, {.max_retries = max_retries});
    EXPECT_FALSE(driver.Get(crash));
    EXPECT_EQ(driver.Get(slow).value_or("?"), "1000");
    EXPECT_EQ(cluster.runs["crash"], max_retries + 1);
    cluster.runs["crash"] = 0;
  }
  large.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, MinusOneRetriesWithoutEnd) {
  cluster.programs["tenth"] = [this](const TaskRunPtr& run) {
    if (run->attempt() == 10) return run->Return("at last");
    cluster.programs["crash"](run);
  };
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  EXPECT_EQ(driver.Get(driver.Submit("tenth", {}, {.max_retries = -1})).value_or("?"), "at last");
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, ADeadNodeIsNamedWhenRetriesAreUsedUp) {
  Node& home = cluster.AddNode(0);
  Node& other = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(home);
  home.script = [&](const protocol::RequestLeaseRequest&) {
    protocol::RequestLeaseReply reply;
    reply.mutable_spill()->set_raylet_endpoint(other.endpoint);
    reply.mutable_spill()->set_node_id(std::string(other.id.Binary()));
    return reply;
  };
  ReferencePtr result = driver.Submit("slow", {}, {.max_retries = 0});
  cluster.RunFor(milliseconds(500));
  const std::string name = other.id.Hex();
  cluster.KillNode(other);
  const Result<std::string> seen = driver.Get(result);
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code(), ErrorCode::kNodeDied);
  EXPECT_TRUE(seen.error().message().starts_with("the node died: ")) << seen.error().message();
  ASSERT_NE(seen.error().remote(), nullptr);
  EXPECT_EQ(seen.error().remote()->task_name, "slow");
  EXPECT_EQ(seen.error().remote()->node_id, name);
}

TEST_F(FailuresTest, LostObjectsAreMadeAgainWithAllTheyWereMadeFrom) {
  Node& home = cluster.AddNode(0);
  Node& doomed = cluster.AddNode(1);
  Node& spare = cluster.AddNode(1);
  Node* target = &doomed;
  Process& driver = cluster.AddDriver(home);
  home.script = [&](const protocol::RequestLeaseRequest& request) {
    EXPECT_EQ(request.hops(), 0U);
    protocol::RequestLeaseReply reply;
    reply.mutable_spill()->set_raylet_endpoint(target->endpoint);
    reply.mutable_spill()->set_node_id(std::string(target->id.Binary()));
    return reply;
  };
  ReferencePtr end = driver.Submit("fill", {"x"});
  for (int i = 0; i < 3; ++i) end = driver.Submit("grow", {end});  // only the end is held
  EXPECT_EQ(driver.Get(driver.Submit("size", {end})).value_or("?"), "1030");
  EXPECT_EQ(driver.core.Count().lineage, 4U);
  target = &spare;
  cluster.KillNode(doomed);
  cluster.RunFor(seconds(1));
  EXPECT_EQ(driver.Get(end).value_or("?").size(), 1030U);
  EXPECT_EQ(cluster.runs["fill"], 2);
  EXPECT_EQ(cluster.runs["grow"], 6);
  end.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, AnArgumentThatVanishedIsMadeAgainThoughThereIsOneCpuOnly) {
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  ReferencePtr large = driver.Submit("fill", {"x"});
  EXPECT_TRUE(driver.Get(large));
  node.objects.clear();  // nobody was told
  EXPECT_EQ(driver.Get(driver.Submit("size", {large})).value_or("?"), "1000");
  EXPECT_EQ(cluster.runs["fill"], 2);
  EXPECT_EQ(cluster.runs["size"], 1);
  large.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, LostPutsAndTasksThatMustNotRepeatEndInObjectLost) {
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  ReferencePtr put = driver.PutLarge(std::string(500, 'p'));
  ReferencePtr once = driver.Submit("fill", {"x"}, {.max_retries = 0});
  EXPECT_TRUE(driver.Get(put));
  EXPECT_TRUE(driver.Get(once));
  node.objects.clear();
  const Result<std::string> lost_put = driver.Get(put);
  const Result<std::string> lost_once = driver.Get(once);
  ASSERT_FALSE(lost_put);
  ASSERT_FALSE(lost_once);
  EXPECT_EQ(lost_put.error().code(), ErrorCode::kObjectLost);
  EXPECT_NE(lost_put.error().message().find("a Put object cannot be made again"),
            std::string::npos);
  EXPECT_EQ(lost_once.error().code(), ErrorCode::kObjectLost);
  EXPECT_NE(lost_once.error().message().find("max_retries is 0"), std::string::npos);
  put.reset();
  once.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, LineageKeepsNothingInTheStore) {
  Node& node = cluster.AddNode(1, 5000);
  Process& driver = cluster.AddDriver(node);
  cluster.programs["head"] = [](const TaskRunPtr& run) {
    run->Return(run->Argument(0).substr(0, 200));
  };
  std::vector<ReferencePtr> kept;
  ReferencePtr held;
  for (int i = 0; i < 10; ++i) {  // three times what the store holds
    held = driver.PutLarge(std::string(1500, 'p'));
    kept.push_back(driver.Submit("head", {held}));
    EXPECT_EQ(driver.Get(kept.back()).value_or("?").size(), 200U) << i;
  }
  cluster.RunFor(seconds(1));
  std::size_t used = 0;
  for (const auto& [id, object] : node.objects) used += object.size();
  EXPECT_EQ(used, 10U * 200 + 1500);
  // Its bytes are wanted again: that goes while they are held.
  for (const ReferencePtr& one : kept) node.objects.erase(one->id);
  EXPECT_EQ(driver.Get(kept.back()).value_or("?").size(), 200U);
  EXPECT_EQ(driver.Get(kept.front()).error().code(), ErrorCode::kObjectLost);
  EXPECT_NE(driver.Get(kept.front()).error().message().find("a Put object cannot be made again"),
            std::string::npos);
  kept.clear();
  held.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, LineageBorrowsAgainWhatOthersOwn) {
  cluster.programs["parent"] = [](const TaskRunPtr& run) {
    const ReferencePtr child = run->Submit("fill", {"x"});
    run->Return(Mention(child), {child});
  };
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  ReferencePtr outer = driver.Submit("parent", {});
  ReferencePtr child = driver.Borrow(driver.Get(outer).value_or(""));
  ReferencePtr made = driver.Submit("grow", {child});
  EXPECT_TRUE(driver.Get(made));
  child.reset();
  cluster.RunFor(seconds(1));
  node.objects.erase(made->id);
  EXPECT_EQ(driver.Get(made).value_or("?").size(), 1010U);
  outer.reset();
  cluster.RunFor(seconds(1));
  EXPECT_EQ(node.objects.size(), 1U) << "the child is freed by its owner: lineage holds it not";
  node.objects.clear();
  EXPECT_EQ(driver.Get(made).error().code(), ErrorCode::kObjectLost);
  made.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, ReconstructionEndsAtItsBound) {
  cluster.config.reconstructions_max = 2;
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  ReferencePtr large = driver.Submit("fill", {"x"});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(driver.Get(large)) << i;
    node.objects.clear();
  }
  const Result<std::string> lost = driver.Get(large);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), ErrorCode::kObjectLost);
  EXPECT_NE(lost.error().message().find("reconstructions_max"), std::string::npos);
  large.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, LineageIsBoundedAndTheOldestGoesFirst) {
  cluster.config.lineage_bytes_max = 10'000;
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  std::vector<ReferencePtr> all;
  for (int i = 0; i < 50; ++i) all.push_back(driver.Submit("fill", {"x"}));
  for (const ReferencePtr& one : all) EXPECT_TRUE(driver.Get(one));
  EXPECT_LT(driver.core.Count().lineage, 50U);
  EXPECT_GT(driver.core.Count().lineage, 0U);
  node.objects.clear();
  EXPECT_FALSE(driver.Get(all.front()));
  EXPECT_TRUE(driver.Get(all.back()));
  all.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, ABorrowerOfADeadOwnersObjectIsToldHowTheOwnerEnded) {
  // The parent returns a reference to its child's result, which the parent's process owns.
  cluster.programs["parent"] = [](const TaskRunPtr& run) {
    const ReferencePtr child = run->Submit("slow", {});
    run->Return(Mention(child), {child});
  };
  cluster.programs["read"] = [](const TaskRunPtr& run) {
    run->Get(run->Borrow(run->Argument(0)), [run](const Result<std::string>& value) {
      run->Return(value ? *value : value.error().ToString());
    });
  };
  Node& node = cluster.AddNode(3);
  Process& driver = cluster.AddDriver(node);
  ReferencePtr outer = driver.Submit("parent", {});
  EXPECT_TRUE(driver.Get(outer));
  ReferencePtr read = driver.Submit("read", {outer});
  cluster.RunFor(milliseconds(100));
  Process* owner = node.FindWorker(
      [](const Process& worker) { return worker.core.Count().references.owned > 0; });
  ASSERT_NE(owner, nullptr);
  node.Kill(*owner, "signal 9 (SIGKILL)");
  const std::string said = driver.Get(read).value_or("?");
  EXPECT_TRUE(said.starts_with("owner_died: the owner of object ")) << said;
  EXPECT_TRUE(said.ends_with("): signal 9 (SIGKILL)")) << said;
  outer.reset();
  read.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(FailuresTest, ADeadDriverLeavesItsWorkersFree) {
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  ReferencePtr result = driver.Submit("slow", {});
  cluster.RunFor(milliseconds(100));
  result.reset();
  cluster.KillDriver(driver);
  cluster.RunFor(seconds(20));
  for (const auto& [id, worker] : node.workers) {
    EXPECT_EQ(worker->core.Count().served, 0U);
    EXPECT_EQ(worker->core.Count().references.borrowed, 0U);
  }
}

TEST_F(FailuresTest, LosingTheRayletMeansTheProcessMustEnd) {
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  cluster.RunFor(milliseconds(10));
  Process* const still = &driver;
  cluster.KillNode(node);
  cluster.RunFor(seconds(1));
  ASSERT_TRUE(still->must_exit.has_value());
  EXPECT_EQ(still->must_exit->code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace mobula::core_worker::sim
