// References inside values: they survive being handed over, in every direction, and end at last.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "components/protocol/owner_methods.h"
#include "components/protocol/raylet_methods.h"
#include "components/transport/faulty/faulty_transport.h"
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
      const ReferencePtr outer = run->Put(Serialize(Mention(inner), {inner}));
      run->Get(run->Submit("read", {outer}), [run](const Result<std::string>& value) {
        run->Return(value ? *value : value.error().ToString());
      });
    };
    cluster.transport = transport::MakeFaultyTransport(std::move(cluster.transport), cluster.loop,
                                                       Random(1), faults);
    // NOLINTNEXTLINE(cppcoreguidelines-prefer-member-initializer): after what is set above
    driver = &cluster.AddDriver(cluster.AddNode(4));
  }
  ReferencePtr PutMention(const ReferencePtr& inner) {
    return driver->core.PutInline(nullptr, Serialize(Mention(inner), {inner}));
  }
  ReferencePtr Borrow(const std::string& mention) {
    return driver->core.Borrow(
        ObjectId(ObjectId::FromBinaryOrNil(*FromHex(mention.substr(0, 2 * ObjectId::kSize)))),
        *FromHex(mention.substr(2 * ObjectId::kSize)));
  }
  std::shared_ptr<transport::FaultPlan> faults = std::make_shared<transport::FaultPlan>();
  Cluster cluster;
  Process* driver = nullptr;
};

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
  ReferencePtr again = Borrow(*mention);
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

TEST_F(HandoverTest, ToABorrowerThatCannotReachTheOwnerForAWhile) {
  ReferencePtr kept;
  cluster.programs["keep"] = [&kept](const TaskRunPtr& run) {
    kept = run->Borrow(run->Argument(0));
    run->Return("kept");
  };
  EXPECT_TRUE(driver->Get(driver->Submit("slow", {})));  // the driver has reached its worker
  ReferencePtr inner = driver->Submit("slow", {});
  EXPECT_TRUE(driver->Get(inner));
  faults->refuse_connects = 1;
  ReferencePtr done = driver->Submit("keep", {PutMention(inner)});
  inner.reset();
  cluster.RunFor(seconds(50));
  ASSERT_NE(kept, nullptr);
  EXPECT_EQ(driver->core.Count().tasks, 1U) << "the reply waits for the registration";
  faults->refuse_connects = 0;
  EXPECT_EQ(driver->Get(done).value_or("?"), "kept");
  cluster.RunFor(seconds(10));
  Process* worker = cluster.nodes[0]->FindWorker(
      [](const Process& one) { return one.core.Count().references.borrowed > 0; });
  ASSERT_NE(worker, nullptr);
  EXPECT_EQ(worker->Get(kept).value_or("?"), "slow");
  kept.reset();
  done.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, ToABorrowerThatLosesTheOwnerForAWhile) {
  ReferencePtr inner = driver->Submit("slow", {});
  ReferencePtr read = driver->Submit("read", {PutMention(inner)});
  cluster.RunFor(milliseconds(20));  // it has registered, and has not asked yet
  faults->rules.push_back({.method = protocol::kWatch.id, .times_max = 1});
  faults->refuse_connects = 1;
  cluster.RunFor(seconds(30));
  EXPECT_EQ(driver->core.Count().tasks, 1U);
  faults->refuse_connects = 0;
  EXPECT_EQ(driver->Get(read).value_or("?"), "4");
  inner.reset();
  read.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, ToABorrowerThatNeverReachesTheOwner) {
  EXPECT_TRUE(driver->Get(driver->Submit("slow", {})));
  ReferencePtr inner = driver->Submit("slow", {});
  EXPECT_TRUE(driver->Get(inner));
  faults->refuse_connects = 1;
  ReferencePtr read = driver->Submit("read", {PutMention(inner)});
  const Result<std::string> said = driver->Get(read);  // within 100 s
  EXPECT_THAT(said.value_or("?"), testing::StartsWith("unavailable: the owner of object "));
  faults->refuse_connects = 0;
  inner.reset();
  read.reset();
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
  ReferencePtr read = driver->core.Submit(nullptr, key, std::move(arguments), 1, {}).front();
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

TEST_F(HandoverTest, AReleaseLostWithItsConnectionIsToldAgain) {
  cluster.programs["make_two"] = [](const TaskRunPtr& run) {
    std::vector<ReferencePtr> two = {run->Put(Serialize("one")), run->Put(Serialize("two"))};
    const std::string first = Mention(two[0]);
    run->Return(first, std::move(two));
  };
  ReferencePtr made = driver->Submit("make_two", {});
  const Result<std::string> mention = driver->Get(made);
  ASSERT_TRUE(mention);
  ReferencePtr one = Borrow(*mention);
  ReferencePtr two = driver->core.Borrow(ObjectId::OfPut(one->id.Task(), 1), one->owner->address);
  made.reset();
  cluster.RunFor(milliseconds(100));
  faults->rules.push_back({.method = protocol::kRemoveBorrows.id, .times_max = 1});
  one.reset();
  cluster.RunFor(seconds(1));  // the other one is registered again, so we are not forgotten
  EXPECT_EQ(faults->rules[0].times_max, 0U);
  EXPECT_EQ(driver->Get(two).value_or("?"), "two");
  two.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, ACopyOfWhatIsNotWantedIsFreed) {
  cluster.programs["throw"] = [](const TaskRunPtr& run) { run->Throw("no"); };
  ReferencePtr failed = driver->Submit("throw", {});
  EXPECT_FALSE(driver->Get(failed));
  Node& other = cluster.AddNode(1);
  other.objects[failed->id] = Payload::FromString("copied meanwhile");
  const auto client = cluster.AddDriver(other).assembly->peers().Get(driver->address().endpoint());
  client->Connect();
  cluster.RunFor(milliseconds(100));
  protocol::ReportCopiesRequest report;
  report.add_added_ids(std::string(failed->id.Binary()));
  report.mutable_node()->set_node_id(std::string(other.id.Binary()));
  report.mutable_node()->set_raylet_endpoint(other.endpoint);
  client->Notify(protocol::kReportCopies, report);
  cluster.RunFor(seconds(1));
  EXPECT_TRUE(other.objects.empty());
}

TEST_F(HandoverTest, AnEvictedCopyIsLookedForNoMoreAndTheLastOneIsMadeAgain) {
  Node& second = cluster.AddNode(1);
  ReferencePtr value = driver->Submit("fill", {"x"});
  ASSERT_TRUE(driver->Get(value));
  ASSERT_EQ(cluster.runs["fill"], 1);
  const auto client = cluster.AddDriver(second).assembly->peers().Get(driver->address().endpoint());
  client->Connect();
  cluster.RunFor(milliseconds(100));
  const auto report = [&](Node& node, bool is_evicted) {
    protocol::ReportCopiesRequest request;
    (is_evicted ? *request.mutable_evicted_ids() : *request.mutable_added_ids())
        .Add(std::string(value->id.Binary()));
    request.mutable_node()->set_node_id(std::string(node.id.Binary()));
    request.mutable_node()->set_raylet_endpoint(node.endpoint);
    client->Notify(protocol::kReportCopies, request);
    cluster.RunFor(seconds(1));
  };
  report(second, false);
  report(second, true);
  EXPECT_TRUE(driver->Get(value));
  EXPECT_EQ(cluster.runs["fill"], 1) << "the first copy is still there";
  // The owner believes the report before it has asked anybody, and makes the value again.
  Node& first = driver->node;
  first.objects.erase(value->id);
  report(first, true);
  EXPECT_EQ(cluster.runs["fill"], 2);
  EXPECT_TRUE(driver->Get(value));
  value.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, ARayletThatCallsToReportAnEvictedCopyIsAnswered) {
  ReferencePtr value = driver->Submit("fill", {"x"});
  ASSERT_TRUE(driver->Get(value));
  const auto client =
      cluster.AddDriver(driver->node).assembly->peers().Get(driver->address().endpoint());
  protocol::ReportCopiesRequest report;
  report.add_evicted_ids(std::string(value->id.Binary()));
  report.mutable_node()->set_node_id(std::string(NodeId::kSize, 'n'));
  std::string answer = "none";
  client->Call(protocol::kReportCopies, report,
               [&](const auto& reply) { answer = reply ? "done" : reply.error().ToString(); });
  cluster.RunFor(seconds(1));
  EXPECT_EQ(answer, "done");
  EXPECT_TRUE(driver->Get(value));
}

constexpr std::size_t kMany = 100'000;  // more than one message could name with their owners

TEST_F(HandoverTest, AHundredThousandReferencesAreReturnedPassedWatchedAndReleased) {
  cluster.programs["make_many"] = [](const TaskRunPtr& run) {
    std::vector<ReferencePtr> made(kMany);
    for (ReferencePtr& reference : made) {
      reference = run->Put(Serialize("a value"));
    }
    const std::string first = Mention(made.front());
    run->Return(first, std::move(made));
  };
  cluster.programs["count"] = [](const TaskRunPtr& run) { run->Return("counted"); };
  ReferencePtr made = driver->Submit("make_many", {});
  const Result<std::string> mention = driver->Get(made);
  ASSERT_TRUE(mention) << mention.error().ToString();
  cluster.RunFor(seconds(1));
  EXPECT_EQ(driver->core.Count().references.borrowed, kMany);

  std::vector<ReferencePtr> all = {Borrow(*mention)};
  for (std::uint32_t i = 1; i < kMany; ++i) {
    all.push_back(
        driver->core.Borrow(ObjectId::OfPut(all[0]->id.Task(), i), all[0]->owner->address));
  }
  made.reset();
  std::vector<internal::Argument> arguments(1);
  arguments[0].value = Serialize("many", all);
  internal::FunctionKey key;
  key.name = "count";
  EXPECT_EQ(driver->Get(driver->core.Submit(nullptr, key, std::move(arguments), 1, {}).front()),
            "counted");

  std::size_t known = 0;
  for (const ReferencePtr& reference : all) {
    driver->core.Get(reference, [&](const Result<Payload>& value) { known += value ? 1 : 0; });
  }
  cluster.loop.RunUntil([&] { return known == kMany; }, seconds(10));
  EXPECT_EQ(known, kMany);
  all.clear();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, MoreReferencesThanAMessageHoldsAreATypedError) {
  cluster.programs["make_more"] = [](const TaskRunPtr& run) {
    const ReferencePtr own = run->Put(Serialize("own"));
    const ReferencePtr given = run->Borrow(run->Argument(0));
    std::vector<ReferencePtr> both;  // whose owners take turns, so that each is named every time
    for (std::size_t i = 0; i < kMany / 2; ++i) both.insert(both.end(), {own, given});
    run->Return("too much", std::move(both));
  };
  ReferencePtr inner = driver->Submit("fill", {"x"});
  const Result<std::string> value = driver->Get(driver->Submit("make_more", {PutMention(inner)}));
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(value.error().message(), testing::HasSubstr("return fewer references"));
  inner.reset();
  cluster.ExpectNothingLeft();
}

TEST_F(HandoverTest, ArgumentsThatNoMessageHoldsAreATypedError) {
  cluster.programs["never"] = [](const TaskRunPtr& run) { run->Return("ran"); };
  ReferencePtr given = driver->Submit("fill", {"x"});
  std::vector<Value> arguments(kMany, Value(given));
  ReferencePtr result = driver->Submit("never", std::move(arguments));
  const Result<std::string> value = driver->Get(result);
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(value.error().message(), testing::HasSubstr("task never: its 100000 arguments need"));
  EXPECT_EQ(cluster.runs["never"], 0);
  given.reset();
  result.reset();
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
    protocol::ExitWorkerRequest request;
    request.set_force(force);
    std::optional<bool> answer;
    node.peers()
        .at(owner->worker_id())
        ->Call(protocol::kExitWorker, request, [&](const Result<protocol::ExitWorkerReply>& reply) {
          answer = reply && reply->will_exit();
        });
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
