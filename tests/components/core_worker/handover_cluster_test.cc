// References inside values: they survive being handed over, in every direction, and end at last.

#include <gtest/gtest.h>

#include "tests/components/core_worker/sim_cluster.h"

namespace mobula::core_worker::sim {
namespace {

class HandoverTest : public ::testing::Test {
 protected:
  HandoverTest() {
    cluster.programs["fill"] = [](const TaskRunPtr& run) {
      run->Return(std::string(1000, run->Argument(0).at(0)));
    };
    cluster.programs["slow"] = [](const TaskRunPtr& run) {
      run->After(seconds(1), [run] { run->Return("slow"); });
    };
    // Reads what a reference inside its argument names.
    cluster.programs["read"] = [](const TaskRunPtr& run) {
      const ReferencePtr inner = run->Borrow(run->Argument(0));
      run->After(milliseconds(50), [run, inner] {
        run->Get(inner, [run](const Result<std::string>& value) {
          run->Return(value ? std::to_string(value->size()) : value.error().ToString());
        });
      });
    };
    // Returns a reference to something its own process owns.
    cluster.programs["make"] = [](const TaskRunPtr& run) {
      const ReferencePtr child = run->Submit("fill", {"x"});
      run->Return(Mention(child), {child});
    };
    // Returns the reference it was given.
    cluster.programs["echo"] = [](const TaskRunPtr& run) {
      const ReferencePtr inner = run->Borrow(run->Argument(0));
      run->Return(Mention(inner), {inner});
    };
    // Gives the reference it was given to a task of its own.
    cluster.programs["pass"] = [](const TaskRunPtr& run) {
      const ReferencePtr inner = run->Borrow(run->Argument(0));
      const ReferencePtr outer = run->process().core.PutInline(Serialize(Mention(inner), {inner}));
      run->Get(run->Submit("read", {outer}), [run](const Result<std::string>& value) {
        run->Return(value ? *value : value.error().ToString());
      });
    };
    driver = &cluster.AddDriver(cluster.AddNode(4));
  }
  ReferencePtr PutMention(const ReferencePtr& inner) {
    return driver->core.PutInline(Serialize(Mention(inner), {inner}));
  }
  Cluster cluster;
  Process* driver = nullptr;
};

TEST_F(HandoverTest, OfAHundredThousandReferencesInOneResult) {
  cluster.programs["make many"] = [](const TaskRunPtr& run) {
    internal::SerializedValue many;
    for (int i = 0; i < 100'000; ++i) {
      many.references.push_back(run->process().core.PutInline(Serialize("x", {})));
    }
    run->Return("many", std::move(many.references));
  };
  ReferencePtr result = driver->Submit("make many", {});
  EXPECT_EQ(*driver->Get(result), "many");
  EXPECT_EQ(driver->core.Count().references.borrowed, 100'000U);
  result.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, OfMoreReferencesThanAMessageTakesIsAnErrorWithTheNumbers) {
  cluster.programs["make too many"] = [](const TaskRunPtr& run) {
    const ReferencePtr one = run->process().core.PutInline(Serialize("x", {}));
    run->Return("too many", std::vector<ReferencePtr>(300'000, one));
  };
  const Result<std::string> result = driver->Get(driver->Submit("make too many", {}));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_NE(result.error().message().find("allowed are 5242880"), std::string::npos)
      << result.error().message();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, DownToATask) {
  ReferencePtr inner = driver->Submit("fill", {"x"});
  ReferencePtr outer = PutMention(inner);
  inner.reset();
  ReferencePtr read = driver->Submit("read", {outer});
  outer.reset();
  EXPECT_EQ(driver->Get(read).value_or("?"), "1000");
  read.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, UpFromATaskAndDownToAnother) {
  ReferencePtr made = driver->Submit("make", {});
  ReferencePtr read = driver->Submit("read", {made});
  made.reset();
  EXPECT_EQ(driver->Get(read).value_or("?"), "1000");
  read.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, DownAndUpAgain) {
  ReferencePtr inner = driver->Submit("slow", {});
  ReferencePtr echoed = driver->Submit("echo", {PutMention(inner)});
  inner.reset();
  const Result<std::string> mention = driver->Get(echoed);
  ASSERT_TRUE(mention);
  ReferencePtr again = driver->core.Borrow(
      ObjectId(ObjectId::FromBinaryOrNil(*FromHex(mention->substr(0, 2 * ObjectId::kSize)))),
      std::make_shared<const std::string>(*FromHex(mention->substr(2 * ObjectId::kSize))));
  echoed.reset();
  cluster.RunFor(milliseconds(100));
  EXPECT_EQ(driver->Get(again).value_or("?"), "slow");
  again.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, ThroughABorrowerToItsOwnTask) {
  ReferencePtr inner = driver->Submit("fill", {"x"});
  ReferencePtr passed = driver->Submit("pass", {PutMention(inner)});
  inner.reset();
  EXPECT_EQ(driver->Get(passed).value_or("?"), "1000");
  passed.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, AsInlineArgumentOfAPendingTask) {
  ReferencePtr gate = driver->Submit("slow", {});
  ReferencePtr inner = driver->Submit("fill", {"x"});
  cluster.programs["read_first"] = cluster.programs["read"];
  std::vector<internal::Argument> arguments(2);
  arguments[0].value = Serialize(Mention(inner), {inner});
  arguments[1].reference = gate;
  internal::FunctionKey key;
  key.name = "read_first";
  ReferencePtr read = driver->core.Submit(key, std::move(arguments), 1, {}).front();
  inner.reset();
  gate.reset();
  cluster.RunFor(milliseconds(200));
  EXPECT_EQ(driver->Get(read).value_or("?"), "1000");
  read.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, FireAndForgetTasksRunAndLeaveNothing) {
  for (int i = 0; i < 10; ++i) driver->Submit("make", {}).reset();
  cluster.RunFor(seconds(1));
  EXPECT_EQ(cluster.runs["make"], 10);
  EXPECT_EQ(cluster.runs["fill"], 10);
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, AWorkerThatIsNeededRefusesToExitUnlessForced) {
  Node& node = *cluster.nodes[0];
  ReferencePtr made = driver->Submit("make", {});
  EXPECT_TRUE(driver->Get(made));
  cluster.RunFor(milliseconds(100));
  Process* owner = node.FindWorker(
      [](const Process& worker) { return worker.core.Count().references.owned > 0; });
  ASSERT_NE(owner, nullptr);
  const auto ask = [&](bool force) {
    ExitWorkerRequest request;
    request.set_force(force);
    std::optional<bool> answer;
    node.peers()
        .at(owner->worker_id())
        ->Call(kExitWorker, request,
               [&](const Result<ExitWorkerReply>& reply) { answer = reply && reply->will_exit(); });
    cluster.loop.RunUntil([&] { return answer.has_value(); }, seconds(1));
    cluster.RunFor(milliseconds(1));
    return answer.value_or(false);
  };
  EXPECT_FALSE(ask(false));
  EXPECT_FALSE(owner->must_exit.has_value());
  made.reset();
  cluster.RunFor(seconds(10));
  EXPECT_TRUE(ask(false));
  EXPECT_TRUE(owner->must_exit.has_value());
  cluster.ExpectNothingLeft();
}

}  // namespace
}  // namespace mobula::core_worker::sim
