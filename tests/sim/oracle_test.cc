// The oracle itself is tested: what it knows, what it excuses and what it does not.

#include "sim/oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/config.h"
#include "sim/capacity.h"
#include "sim/sim_config.h"

namespace mobula::sim {
namespace {

using testing::HasSubstr;

class OracleTest : public testing::Test {
 protected:
  OracleTest() {
    plan_.set_id(oracle_.NewId());
    plan_.set_constant(7);
    plan_.set_max_retries(1);
    oracle_.AddTask(plan_, {}, {}, "one");
  }
  Result<Payload> Good() const {
    return Payload::FromString(EncodeValue(oracle_.HashOf(plan_.id()), 10, nullptr));
  }
  std::string Outcome(const Result<Payload>& outcome) const {
    return oracle_.CheckOutcome(plan_.id(), outcome).value_or("right");
  }

  Oracle oracle_;
  Plan plan_;
};

TEST_F(OracleTest, KnowsTheValueOfATask) {
  EXPECT_EQ(Outcome(Good()), "right");
  EXPECT_THAT(Outcome(Payload::FromString(EncodeValue(8, 10, nullptr))), HasSubstr("wrong value"));
}

TEST_F(OracleTest, SeesADamagedByte) {
  std::string bytes(Good()->text());
  bytes.back() ^= 1;
  EXPECT_THAT(Outcome(Payload::FromString(bytes)), HasSubstr("padding"));
}

TEST_F(OracleTest, ExcusesNoErrorWithoutAFault) {
  EXPECT_THAT(Outcome(Fail(ErrorCode::kWorkerDied, "x")), HasSubstr("nothing was killed"));
}

TEST_F(OracleTest, ExcusesAWorkerDeathWhenTheRetriesMayBeUsedUp) {
  oracle_.OnFault(Fault::kWorkerKilled);
  EXPECT_THAT(Outcome(Fail(ErrorCode::kWorkerDied, "x")), HasSubstr("may be retried 1 times"));
  oracle_.OnFault(Fault::kNodeKilled);
  EXPECT_EQ(Outcome(Fail(ErrorCode::kWorkerDied, "x")), "right");
}

TEST_F(OracleTest, ExcusesNoLostObjectThatCanBeMadeAgain) {
  oracle_.OnFault(Fault::kNodeKilled);
  EXPECT_THAT(Outcome(Fail(ErrorCode::kObjectLost, "x")), HasSubstr("can run again"));
  EXPECT_THAT(Outcome(Fail(ErrorCode::kOwnerDied, "x")), HasSubstr("its owner lives"));
  EXPECT_THAT(Outcome(Fail(ErrorCode::kTaskFailed, "x")), HasSubstr("waits for anything"));
}

TEST_F(OracleTest, KnowsWhatATaskMakesOfItsArgumentsAndChildren) {
  Plan outer;
  outer.set_id(oracle_.NewId());
  outer.set_constant(3);
  outer.set_max_retries(2);
  Plan& child = *outer.add_children();
  child.set_id(oracle_.NewId());
  child.set_constant(5);
  const std::vector<std::uint32_t> arguments = {plan_.id()};
  oracle_.AddTask(outer, arguments, {}, "outer");
  EXPECT_EQ(oracle_.HashOf(outer.id()), Mix(Mix(3, 7), 5));
  oracle_.OnFault(Fault::kWorkerKilled);  // the child has no retries, and its owner may die
  EXPECT_FALSE(oracle_.CheckOutcome(outer.id(), Fail(ErrorCode::kTaskFailed, "x")));
  EXPECT_FALSE(oracle_.CheckOutcome(outer.id(), Fail(ErrorCode::kWorkerDied, "x")));
}

TEST_F(OracleTest, ExcusesALostObjectThatWasMadeFromAPut) {
  const std::uint32_t put = oracle_.NewId();
  oracle_.AddPut(put, 5, "put");
  Plan reader;
  reader.set_id(oracle_.NewId());
  reader.set_max_retries(2);
  oracle_.AddTask(reader, std::vector{put}, {}, "reader");
  oracle_.OnFault(Fault::kNodeKilled);
  EXPECT_FALSE(oracle_.CheckOutcome(reader.id(), Fail(ErrorCode::kObjectLost, "x")));
  EXPECT_FALSE(oracle_.CheckOutcome(put, Fail(ErrorCode::kObjectLost, "x"), Reader::kTask));
  EXPECT_TRUE(oracle_.CheckOutcome(put, Fail(ErrorCode::kObjectLost, "x")))
      << "who gets it holds it";
}

TEST_F(OracleTest, KnowsWhatAKilledDriverOwned) {
  Plan plan;
  plan.set_id(oracle_.NewId());
  oracle_.AddTask(plan, {}, {}, "d1.chain0#1");
  const Result<Payload> outcome = Fail(ErrorCode::kOwnerDied, "x");
  oracle_.OnDriverKilled("d0");
  EXPECT_TRUE(oracle_.CheckOutcome(plan.id(), outcome));
  oracle_.OnDriverKilled("d1");
  EXPECT_FALSE(oracle_.CheckOutcome(plan.id(), outcome));
}

TEST_F(OracleTest, WantsTheOneErrorForWhatNoNodeCanRunAndForWhatTakesItsValue) {
  Plan plan;
  plan.set_id(oracle_.NewId());
  oracle_.AddTask(plan, {}, {}, "giant", Oracle::Feasibility::kInfeasible);
  Plan next;
  next.set_id(oracle_.NewId());
  oracle_.AddTask(next, std::vector{plan.id()}, {}, "next");
  for (const std::uint32_t id : {plan.id(), next.id()}) {
    EXPECT_FALSE(oracle_.CheckOutcome(id, Fail(ErrorCode::kInfeasible, "x")));
    const Result<Payload> value = Payload::FromString(EncodeValue(oracle_.HashOf(id), 1, nullptr));
    EXPECT_TRUE(oracle_.CheckOutcome(id, value)) << "no node can have run it";
    EXPECT_TRUE(oracle_.CheckOutcome(id, Fail(ErrorCode::kWorkerDied, "x")));
  }
  oracle_.OnFault(Fault::kNodeKilled);
  EXPECT_THAT(Outcome(Fail(ErrorCode::kInfeasible, "x")), HasSubstr("big enough node"));
}

class CapacityTest : public testing::Test {
 protected:
  CapacityTest() { capacity_.AddNode("n", {{"CPU", 2}, {"disk", 1}}); }
  static protocol::Address Worker(const std::string& id) {
    protocol::Address address;
    address.set_worker_id(id);
    address.set_node_id("n");
    return address;
  }
  Capacity capacity_;
};

TEST_F(CapacityTest, SeesThatTwoTasksHoldMoreThanTheirNodeHas) {
  EXPECT_FALSE(capacity_.OnTaskStarted(Worker("a"), {{"CPU", 1.5}}));
  const auto exceeded = capacity_.OnTaskStarted(Worker("b"), {{"CPU", 1}});
  ASSERT_TRUE(exceeded);
  EXPECT_THAT(*exceeded, HasSubstr("2.5"));
}

TEST_F(CapacityTest, ForgetsWhatEndedTasksAndDeadWorkersHeld) {
  EXPECT_FALSE(capacity_.OnTaskStarted(Worker("a"), {{"disk", 1}}));
  capacity_.OnTaskEnded(Worker("a"));
  EXPECT_FALSE(capacity_.OnTaskStarted(Worker("b"), {{"disk", 1}}));
  capacity_.OnWorkerEnded(Worker("b"));
  EXPECT_FALSE(capacity_.OnTaskStarted(Worker("c"), {{"disk", 1}}));
}

TEST_F(CapacityTest, AWaitingWorkerLendsItsCpusButNotItsDisk) {
  EXPECT_FALSE(capacity_.OnTaskStarted(Worker("a"), {{"CPU", 2}, {"disk", 1}}));
  capacity_.OnBlocked(Worker("a"));
  EXPECT_FALSE(capacity_.OnTaskStarted(Worker("b"), {{"CPU", 2}}));
  EXPECT_TRUE(capacity_.OnTaskStarted(Worker("c"), {{"disk", 1}}));
}

TEST(SimConfigTest, RangesAreDrawnFromTheSeed) {
  const auto root = node::ParseYaml("work: { tasks: 10..20, task_time: 1ms }", "test");
  const auto config = ReadSimConfig(*root);
  ASSERT_TRUE(config.has_value()) << config.error().ToString();
  EXPECT_EQ(config->task_time_us.min, 1000);
  EXPECT_EQ(config->task_time_us.max, 1000);
  std::set<std::int64_t> seen;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const SimOptions options = DrawOptions(*config, seed);
    EXPECT_EQ(options.tasks, DrawOptions(*config, seed).tasks);
    EXPECT_GE(options.tasks, 10);
    EXPECT_LE(options.tasks, 20);
    seen.insert(options.tasks);
  }
  EXPECT_GT(seen.size(), 5U);
}

TEST(SimConfigTest, AWrongKeyOrRangeIsNamed) {
  const auto refused = [](std::string_view yaml) {
    const auto config = ReadSimConfig(*node::ParseYaml(yaml, "test"));
    return config ? std::string("accepted") : config.error().message();
  };
  EXPECT_THAT(refused("work: { task: 3 }"), HasSubstr("task"));
  EXPECT_THAT(refused("work: { tasks: 9..3 }"), HasSubstr("goes up"));
  EXPECT_THAT(refused("work: { shapes: { star: 1 } }"), HasSubstr("fan_out"));
  EXPECT_THAT(refused("faults: { window: soon }"), HasSubstr("soon"));
}

}  // namespace
}  // namespace mobula::sim
