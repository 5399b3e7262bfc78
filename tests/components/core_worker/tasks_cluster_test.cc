// Tasks from submission to result, over real core workers and pretended raylets.

#include <gtest/gtest.h>

#include "tests/components/core_worker/sim_cluster.h"

namespace mobula::core_worker::sim {
namespace {

class TasksTest : public ::testing::Test {
 protected:
  TasksTest() {
    cluster.programs["add"] = [](const TaskRunPtr& run) {
      run->Return(std::to_string(std::stoi(run->Argument(0)) + std::stoi(run->Argument(1))));
    };
    cluster.programs["fill"] = [](const TaskRunPtr& run) {
      run->Return(std::string(1000, run->Argument(0).at(0)));
    };
    cluster.programs["size"] = [](const TaskRunPtr& run) {
      run->Return(std::to_string(run->Argument(0).size()));
    };
    cluster.programs["throw"] = [](const TaskRunPtr& run) { run->Throw("it did not work"); };
    cluster.programs["slow"] = [](const TaskRunPtr& run) {
      run->After(seconds(1), [run] { run->Return("done"); });
    };
  }
  Cluster cluster;
};

TEST_F(TasksTest, AChainEndsInItsValueAndLeavesNothing) {
  Process& driver = cluster.AddDriver(cluster.AddNode(2));
  ReferencePtr sum = driver.Submit("add", {"1", "2"});
  for (int i = 0; i < 20; ++i) sum = driver.Submit("add", {sum, "1"});
  EXPECT_EQ(driver.Get(sum).value_or("?"), "23");
  sum.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, AFanOutUsesAllCpusAndComesBackInAnyOrder) {
  Node& node = cluster.AddNode(4);
  Process& driver = cluster.AddDriver(node);
  std::vector<ReferencePtr> parts;
  for (int i = 0; i < 40; ++i) parts.push_back(driver.Submit("slow", {}));
  const TimePoint start = cluster.loop.Now();
  for (const ReferencePtr& part : parts) EXPECT_EQ(driver.Get(part).value_or("?"), "done");
  EXPECT_LT(cluster.loop.Now() - start, milliseconds(10'500));
  EXPECT_EQ(node.workers.size(), 4U);
  parts.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, LargeResultsStayInTheStoreAndAreFreedEverywhere) {
  Node& first = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(first);
  ReferencePtr large = driver.Submit("fill", {"x"});
  EXPECT_EQ(driver.Get(driver.Submit("size", {large})).value_or("?"), "1000");
  EXPECT_EQ(driver.Get(large).value_or("?"), std::string(1000, 'x'));
  EXPECT_EQ(first.objects.size(), 1U);
  large.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, AFailureNamesTaskNodeAndProcess) {
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  ReferencePtr failed = driver.Submit("throw", {});
  const Result<std::string> result = driver.Get(failed);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kTaskFailed);
  EXPECT_EQ(result.error().message(), "it did not work");
  ASSERT_NE(result.error().remote(), nullptr);
  EXPECT_EQ(result.error().remote()->task_name, "throw");
  EXPECT_EQ(result.error().remote()->node_id, cluster.nodes[0]->id.Hex());
  EXPECT_EQ(result.error().remote()->pid, 4711);
  EXPECT_EQ(cluster.runs["throw"], 1);
  failed.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, AnErrorAsArgumentIsTheErrorOfAllThatFollow) {
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  ReferencePtr end = driver.Submit("throw", {});
  for (int i = 0; i < 3; ++i) end = driver.Submit("add", {end, "1"});
  const Result<std::string> result = driver.Get(end);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(), "it did not work");
  EXPECT_EQ(cluster.runs["add"], 0);
  end.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, ExceptionsAreRetriedOnlyWhenAsked) {
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  const Result<std::string> result =
      driver.Get(driver.Submit("throw", {}, {.max_retries = 2, .retry_exceptions = true}));
  EXPECT_FALSE(result);
  EXPECT_EQ(cluster.runs["throw"], 3);
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, ATaskCanHaveManyResults) {
  cluster.programs["three"] = [](const TaskRunPtr& run) {
    run->ReturnAll({"a", std::string(500, 'b'), "c"});
  };
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  std::vector<ReferencePtr> results = driver.SubmitAll("three", {}, {.result_count = 3});
  EXPECT_EQ(driver.Get(results[0]).value_or("?"), "a");
  EXPECT_EQ(driver.Get(results[1]).value_or("?"), std::string(500, 'b'));
  EXPECT_EQ(driver.Get(results[2]).value_or("?"), "c");
  results.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, NestedTasksRunOnOneCpuBecauseWhoWaitsGivesItBack) {
  cluster.programs["tree"] = [](const TaskRunPtr& run) {
    const int depth = std::stoi(run->Argument(0));
    if (depth == 0) return run->Return("1");
    const ReferencePtr left = run->Submit("tree", {std::to_string(depth - 1)});
    const ReferencePtr right = run->Submit("tree", {std::to_string(depth - 1)});
    run->Get(left, [run, right](const Result<std::string>& l) {
      run->Get(right, [run, l](const Result<std::string>& r) {
        run->Return(std::to_string(std::stoi(*l) + std::stoi(*r)));
      });
    });
  };
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  EXPECT_EQ(driver.Get(driver.Submit("tree", {"4"})).value_or("?"), "16");
  EXPECT_GT(node.blocked_seen, 0U);
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, AFullStoreFailsTheTaskThatReturnsTooMuch) {
  Process& driver = cluster.AddDriver(cluster.AddNode(1, 500));
  const Result<std::string> result = driver.Get(driver.Submit("fill", {"x"}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kStoreFull) << result.error().ToString();
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, ManySmallArgumentsTravelByReferenceWhenTheyAreTooMuchForAMessage) {
  cluster.config.inline_bytes_max = 1 << 20;
  cluster.programs["megabyte"] = [](const TaskRunPtr& run) {
    run->Return(std::string(1 << 20, run->Argument(0).at(0)));
  };
  cluster.programs["total"] = [](const TaskRunPtr& run) {
    std::size_t total = 0;
    for (std::size_t i = 0; i < 10; ++i) total += run->Argument(i).size();
    run->Return(std::to_string(total));
  };
  Process& driver = cluster.AddDriver(cluster.AddNode(2));
  std::vector<Value> parts;
  for (int i = 0; i < 10; ++i) parts.emplace_back(driver.Submit("megabyte", {"x"}));
  EXPECT_EQ(driver.Get(driver.Submit("total", std::move(parts))).value_or("?"), "10485760");
  parts.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(TasksTest, ASeedGivesTheSameRunAgain) {
  const auto digest = [](std::uint64_t seed) {
    Cluster cluster(seed);
    cluster.programs["slow"] = [](const TaskRunPtr& run) {
      run->After(milliseconds(3), [run] { run->Return(std::string(300, 'x')); });
    };
    Process& driver = cluster.AddDriver(cluster.AddNode(3));
    cluster.AddNode(2);
    std::vector<ReferencePtr> all;
    for (int i = 0; i < 50; ++i) all.push_back(driver.Submit("slow", {}));
    for (const ReferencePtr& one : all) EXPECT_TRUE(driver.Get(one));
    return cluster.loop.Digest();
  };
  EXPECT_EQ(digest(7), digest(7));
}

}  // namespace
}  // namespace mobula::core_worker::sim
