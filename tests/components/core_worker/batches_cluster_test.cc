// Many tasks at once: what is sent once, what is sent together, what a queued one costs, and what
// becomes of batches that make no sense.

#include <gtest/gtest.h>
#include <malloc.h>

#include "components/protocol/worker_methods.h"
#include "tests/components/core_worker/sim_cluster.h"

namespace mobula::core_worker::sim {
namespace {

class BatchesTest : public ::testing::Test {
 protected:
  BatchesTest() {
    cluster.programs["echo"] = [](const TaskRunPtr& run) { run->Return(run->Argument(0)); };
    cluster.programs["slow"] = [](const TaskRunPtr& run) {
      run->After(seconds(1), [run] { run->Return("slow"); });
    };
  }
  Cluster cluster;
};

TEST_F(BatchesTest, ALeaseServesMoreKindsOfTasksThanItKnowsAtATime) {
  constexpr int kKinds = 600;
  for (int i = 0; i < kKinds; ++i) {
    cluster.programs[std::to_string(i)] = [i](const TaskRunPtr& run) {
      run->Return(fmt::format("{}:{}", i, run->Argument(0)));
    };
  }
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  EXPECT_TRUE(driver.Get(driver.Submit("echo", {"x"})));
  for (const char* round : {"a", "b"}) {
    std::vector<ReferencePtr> all;
    for (int i = 0; i < kKinds; ++i) all.push_back(driver.Submit(std::to_string(i), {round}));
    for (int i = 0; i < kKinds; ++i) {
      EXPECT_EQ(driver.Get(all[static_cast<std::size_t>(i)]).value_or("?"),
                fmt::format("{}:{}", i, round));
    }
  }
  cluster.ExpectNothingLeft();
}

TEST_F(BatchesTest, ArgumentsOfAllKindsArriveInOrder) {
  cluster.programs["join"] = [](const TaskRunPtr& run) {
    std::string all;
    for (std::size_t i = 0; i < 6; ++i) all += run->Argument(i).substr(0, 5) + ",";
    run->Return(all);
  };
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  const ReferencePtr small = driver.Submit("echo", {"small"});
  const ReferencePtr large = driver.Submit("echo", {"large" + std::string(1000, 'x')});
  const ReferencePtr put = driver.PutLarge("put__" + std::string(1000, 'x'));
  EXPECT_EQ(driver.Get(driver.Submit("join", {small, "one", large, put, "two", ""})).value_or("?"),
            "small,one,large,put__,two,,");
}

TEST_F(BatchesTest, AQueuedTaskTakesLittleMemory) {
  constexpr std::size_t kTasks = 50'000;
  constexpr std::size_t kBytesMax = 256;
  Process& driver = cluster.AddDriver(cluster.AddNode(1));
  std::vector<ReferencePtr> all;
  all.reserve(kTasks + 1);
  all.push_back(driver.Submit("slow", {}));
  cluster.RunFor(milliseconds(1));
  const std::size_t before = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
  for (std::size_t i = 0; i < kTasks; ++i) all.push_back(driver.Submit("slow", {}));
  const std::size_t after = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
  EXPECT_LE((after - before) / kTasks, kBytesMax);  // a sanitizer's memory says 0
  EXPECT_EQ(driver.core.Count().tasks, kTasks + 1);
}

TEST_F(BatchesTest, ResultsThatMakeNoSenseEndTheLeaseAndItsTasksRunAgain) {
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  const ReferencePtr slow = driver.Submit("slow", {});
  cluster.RunFor(milliseconds(10));
  ASSERT_EQ(cluster.runs["slow"], 1);
  protocol::TasksDoneRequest done;
  done.set_lease_id(node.any_lease());
  done.set_values("no batch");
  Process* worker = node.FindWorker([](const Process&) { return true; });
  const auto to_driver = worker->assembly->peers().Get(driver.address().endpoint());
  to_driver->Connect();
  cluster.RunFor(milliseconds(10));
  to_driver->Notify(protocol::kTasksDone, done);
  EXPECT_EQ(driver.Get(slow).value_or("?"), "slow");
  EXPECT_EQ(cluster.runs["slow"], 2);
}

TEST_F(BatchesTest, TasksThatMakeNoSenseEndTheConnectionAndWhatRanThereRunsAgain) {
  Node& node = cluster.AddNode(1);
  Process& driver = cluster.AddDriver(node);
  const ReferencePtr slow = driver.Submit("slow", {});
  cluster.RunFor(milliseconds(10));
  ASSERT_EQ(cluster.runs["slow"], 1);
  Process* worker = node.FindWorker([](const Process&) { return true; });
  protocol::PushTasksRequest push;
  push.set_lease_id(node.any_lease());
  push.set_tasks("\x01 no batch");
  const std::string& endpoint = worker->address().local_endpoint();
  driver.assembly->peers().Get(endpoint)->Notify(protocol::kPushTasks, push);
  EXPECT_EQ(driver.Get(slow).value_or("?"), "slow");
  EXPECT_EQ(cluster.runs["slow"], 2);
}

}  // namespace
}  // namespace mobula::core_worker::sim
