/// What the built-in schedulers do in small stories.
#include "components/scheduler/scheduler.h"

#include "tests/components/scheduler/schedulers.h"

namespace mobula::scheduler::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const ResourceSet kOneCpu = {{"CPU", 1}};

class SchedulerTest : public ::testing::Test {
 protected:
  std::unique_ptr<Scheduler> Local(double cpus) {
    return MakeScheduler(Config({{"kind", "local"}}), FreeNode(Node(1), {{"CPU", cpus}}));
  }
  std::unique_ptr<Scheduler> Distributed(double cpus, const char* hops = "3") {
    return MakeScheduler(Config({{"kind", "distributed"}, {"spill_hops_max", hops}}),
                         FreeNode(Node(1), {{"CPU", cpus}}));
  }
  /// Submits and expects it to be queued.
  static void Submit(Scheduler& scheduler, LeaseRequest request) {
    const auto submitted = scheduler.Submit(std::move(request));
    ASSERT_TRUE(submitted.has_value()) << submitted.error().ToString();
  }
  /// Steps, checks the books, and says what was done.
  static std::string Step(Scheduler& scheduler) {
    const std::vector<Action> actions = scheduler.Step();
    scheduler.CheckInvariants();
    return Text(actions);
  }
};

TEST_F(SchedulerTest, GrantsUntilFullAndGoesOnWhenALeaseReturns) {
  const auto scheduler = Local(2);
  for (std::uint64_t ticket = 1; ticket <= 4; ++ticket) {
    Submit(*scheduler, Request(ticket, Wants(kOneCpu)));
  }
  EXPECT_EQ(Step(*scheduler), "grant 1, grant 2");
  EXPECT_EQ(Step(*scheduler), "");
  EXPECT_EQ(scheduler->Local().queued_requests, 2U);
  scheduler->Return(kOneCpu);
  EXPECT_EQ(Step(*scheduler), "grant 3");
}

TEST_F(SchedulerTest, DeeperTasksGoFirstThenTheEarlier) {
  const auto scheduler = Local(10);
  Submit(*scheduler, Deep(Request(1, Wants(kOneCpu)), 0));
  Submit(*scheduler, Deep(Request(2, Wants({{"CPU", 2}})), 2));
  Submit(*scheduler, Deep(Request(3, Wants(kOneCpu)), 1));
  Submit(*scheduler, Deep(Request(4, Wants(kOneCpu)), 2));
  Submit(*scheduler, Deep(Request(5, Wants({{"CPU", 3}})), 0));
  EXPECT_EQ(Step(*scheduler), "grant 2, grant 4, grant 3, grant 1, grant 5");
}

TEST_F(SchedulerTest, OwnersTakeTurnsHoweverManyRequestsTheyHave) {
  const auto scheduler = Local(1);
  for (std::uint64_t ticket = 1; ticket <= 4; ++ticket) {
    Submit(*scheduler, Of(1, Request(ticket, Wants(kOneCpu))));
  }
  EXPECT_EQ(Step(*scheduler), "grant 1");
  Submit(*scheduler, Of(2, Request(5, Wants(kOneCpu))));
  Submit(*scheduler, Of(2, Request(6, Wants(kOneCpu))));
  Submit(*scheduler, Of(3, Hopped(Request(7, Wants(kOneCpu)), 1)));  // in a class of its own
  for (const char* next : {"grant 5", "grant 7", "grant 2", "grant 6", "grant 3", "grant 4"}) {
    scheduler->Return(kOneCpu);
    EXPECT_EQ(Step(*scheduler), next);
  }
}

TEST_F(SchedulerTest, AnOwnerOfOneRequestAfterAnotherAlternatesWithALongQueue) {
  const auto scheduler = Local(1);
  for (std::uint64_t ticket = 1; ticket <= 10; ++ticket) {
    Submit(*scheduler, Of(1, Request(ticket, Wants(kOneCpu))));
  }
  EXPECT_EQ(Step(*scheduler), "grant 1");
  for (std::uint64_t round = 0; round < 5; ++round) {
    for (std::uint64_t i = 0; i < 9; ++i) {  // what is cancelled costs no turn
      Submit(*scheduler, Of(2, Request(200 + i, Wants(kOneCpu))));
    }
    for (std::uint64_t i = 0; i < 9; ++i) EXPECT_TRUE(scheduler->Cancel(200 + i));
    Submit(*scheduler, Of(2, Request(100 + round, Wants(kOneCpu))));
    scheduler->Return(kOneCpu);
    EXPECT_EQ(Step(*scheduler), fmt::format("grant {}", 100 + round));
    scheduler->Return(kOneCpu);
    EXPECT_EQ(Step(*scheduler), fmt::format("grant {}", 2 + round));
  }
}

TEST_F(SchedulerTest, ARequestThatDoesNotFitLetsOthersPass) {
  const auto scheduler = Local(4);
  Submit(*scheduler, Request(1, Wants({{"CPU", 3}})));
  Submit(*scheduler, Request(2, Wants({{"CPU", 3}})));
  Submit(*scheduler, Request(3, Wants(kOneCpu)));
  Submit(*scheduler, Request(4, Wants({})));
  EXPECT_EQ(Step(*scheduler), "grant 1, grant 3, grant 4");
}

TEST_F(SchedulerTest, SaysWhyARequestWaits) {
  const auto scheduler = Local(4);
  Submit(*scheduler, Request(1, Wants({{"CPU", 3}})));
  EXPECT_EQ(ReasonOfQueue(*scheduler), "is next to be decided");
  Submit(*scheduler, Request(2, Wants({{"CPU", 2}})));
  EXPECT_EQ(Step(*scheduler), "grant 1");
  const std::vector<QueuedShape> queue = scheduler->Queue();
  ASSERT_EQ(queue.size(), 1U);
  EXPECT_EQ(queue[0].count, 1U);
  EXPECT_EQ(queue[0].wants.resources, ResourceSet({{"CPU", 2}}));
  EXPECT_EQ(queue[0].reason, "waits for CPU: 2: node 01000000 has CPU: 1 of 4 free, 2 wanted");
}

TEST_F(SchedulerTest, ABlockedWorkerLendsItsCpuAndHasItAgainAtOnce) {
  const auto scheduler = Local(1);
  Submit(*scheduler, Request(1, Wants(kOneCpu)));
  Submit(*scheduler, Request(2, Wants(kOneCpu)));
  EXPECT_EQ(Step(*scheduler), "grant 1");
  scheduler->LendFromBlocked(kOneCpu);
  EXPECT_EQ(Step(*scheduler), "grant 2");
  scheduler->RestoreToUnblocked(kOneCpu);
  scheduler->CheckInvariants();
  EXPECT_EQ(scheduler->Local().available.Get(kCpu), Amount::FromDouble(-1));
  Submit(*scheduler, Request(3, Wants(kOneCpu)));
  scheduler->Return(kOneCpu);
  EXPECT_EQ(Step(*scheduler), "") << "one still runs";
  scheduler->Return(kOneCpu);
  EXPECT_EQ(Step(*scheduler), "grant 3");
}

TEST_F(SchedulerTest, InfeasibleIsReportedOncePerRequestAndGoesOnIfANodeJoins) {
  const auto scheduler = Distributed(1);
  Submit(*scheduler, Request(1, Wants({{"tape", 1}})));
  EXPECT_EQ(Step(*scheduler), "infeasible 1");
  Submit(*scheduler, Request(2, Wants({{"tape", 1}})));
  EXPECT_EQ(Step(*scheduler), "infeasible 2");
  EXPECT_EQ(Step(*scheduler), "");
  EXPECT_THAT(ReasonOfQueue(*scheduler), HasSubstr("node 01000000 has tape: 0 in all, 1 wanted"));
  EXPECT_TRUE(scheduler->Queue()[0].infeasible);
  EXPECT_TRUE(scheduler->Cancel(1));
  EXPECT_FALSE(scheduler->Cancel(1));
  scheduler->UpdateNode(FreeNode(Node(2), {{"tape", 1}}));
  EXPECT_EQ(Step(*scheduler), "spill 2 to 02000000");
}

TEST_F(SchedulerTest, WhatBecomesImpossibleAgainIsReportedAgain) {
  const auto scheduler = Distributed(1);
  Submit(*scheduler, Request(1, Wants({{"CPU", 8}})));
  EXPECT_EQ(Step(*scheduler), "infeasible 1");
  scheduler->UpdateNode(FreeNode(Node(2), {{"CPU", 2}}));
  EXPECT_TRUE(scheduler->IsInfeasible(1));
  EXPECT_EQ(Step(*scheduler), "") << "still impossible is no news";
  scheduler->UpdateNode(BusyNode(Node(3), {{"CPU", 8}}, {{"CPU", 1}}));
  EXPECT_EQ(Step(*scheduler), "");
  EXPECT_FALSE(scheduler->IsInfeasible(1));
  EXPECT_THAT(ReasonOfQueue(*scheduler), HasSubstr("waits for CPU: 8"));
  scheduler->RemoveNode(Node(3));
  EXPECT_EQ(Step(*scheduler), "infeasible 1");
  EXPECT_TRUE(scheduler->IsInfeasible(1));
  EXPECT_FALSE(scheduler->IsInfeasible(2));
}

TEST_F(SchedulerTest, ANodeThatJoinsAndLeavesIsNewsForEveryRequestOfTheShape) {
  const auto scheduler = Distributed(1);
  Submit(*scheduler, Request(1, Wants({{"CPU", 8}})));
  Submit(*scheduler, Request(2, Wants({{"CPU", 8}})));
  EXPECT_EQ(Step(*scheduler), "infeasible 1, infeasible 2");
  scheduler->UpdateNode(BusyNode(Node(3), {{"CPU", 8}}, {}));
  EXPECT_EQ(Step(*scheduler), "");
  Submit(*scheduler, Request(3, Wants({{"CPU", 8}})));
  EXPECT_EQ(Step(*scheduler), "");
  scheduler->RemoveNode(Node(3));
  EXPECT_EQ(Step(*scheduler), "infeasible 1, infeasible 2, infeasible 3");
}

TEST_F(SchedulerTest, ARequestForANodeWaitsOnceThatNodeHasJoined) {
  const auto scheduler = Distributed(4);
  Submit(*scheduler, Request(1, WantsNode(kOneCpu, Node(3), false)));
  EXPECT_EQ(Step(*scheduler), "infeasible 1");
  scheduler->UpdateNode(BusyNode(Node(3), kOneCpu, {}));
  EXPECT_EQ(Step(*scheduler), "");
  EXPECT_FALSE(scheduler->IsInfeasible(1));
  NodeView idle = FreeNode(Node(3), kOneCpu);
  idle.version = 2;
  scheduler->UpdateNode(idle);
  EXPECT_EQ(Step(*scheduler), "spill 1 to 03000000");
}

TEST_F(SchedulerTest, RefusesTicketsTwiceNegativeAmountsAndAFullQueue) {
  const auto scheduler = MakeScheduler(Config({{"kind", "local"}, {"queue_requests_max", "2"}}),
                                       FreeNode(Node(1), kOneCpu));
  Submit(*scheduler, Request(1, Wants(kOneCpu)));
  EXPECT_EQ(scheduler->Submit(Request(1, Wants(kOneCpu))).error().code(),
            ErrorCode::kAlreadyExists);
  EXPECT_EQ(scheduler->Submit(Request(2, Wants({{"CPU", -1}}))).error().code(),
            ErrorCode::kInvalidArgument);
  Submit(*scheduler, Request(2, Wants(kOneCpu)));
  EXPECT_EQ(scheduler->Submit(Request(3, Wants(kOneCpu))).error().code(),
            ErrorCode::kResourceExhausted);
}

TEST_F(SchedulerTest, TheLocalKindStaysAtHomeWhateverOthersHave) {
  const auto scheduler = Local(1);
  scheduler->UpdateNode(FreeNode(Node(2), {{"CPU", 8}}));
  Submit(*scheduler, Request(1, Wants({{"CPU", 2}})));
  Submit(*scheduler, Request(2, WantsNode(kOneCpu, Node(2), false)));
  EXPECT_EQ(Step(*scheduler), "infeasible 1, infeasible 2");
  EXPECT_THAT(scheduler->Queue().front().reason, HasSubstr("may not leave node 01000000"));
}

TEST_F(SchedulerTest, SpillsWhatDoesNotFitAndCountsItAgainstTheOtherNode) {
  const auto scheduler = Distributed(1);
  scheduler->UpdateNode(FreeNode(Node(2), {{"CPU", 2}}));
  for (std::uint64_t ticket = 1; ticket <= 5; ++ticket) {
    Submit(*scheduler, Request(ticket, Wants(kOneCpu)));
  }
  EXPECT_EQ(Step(*scheduler), "grant 1, spill 2 to 02000000, spill 3 to 02000000");
  scheduler->UpdateNode(FreeNode(Node(2), {{"CPU", 2}}));
  EXPECT_EQ(Step(*scheduler), "") << "the same report again is no news";
  NodeView news = BusyNode(Node(2), {{"CPU", 2}}, kOneCpu);
  news.version = 2;
  scheduler->UpdateNode(news);
  EXPECT_EQ(Step(*scheduler), "spill 4 to 02000000");
  scheduler->RemoveNode(Node(2));
  scheduler->Return(kOneCpu);
  EXPECT_EQ(Step(*scheduler), "grant 5");
}

TEST_F(SchedulerTest, ASpillOfWhichTheOtherNodeReportsNothingExpires) {
  const auto scheduler = Distributed(0);
  scheduler->UpdateNode(FreeNode(Node(2), {{"CPU", 2}}));
  Submit(*scheduler, Request(1, Wants(kOneCpu)));
  Submit(*scheduler, Request(2, Wants(kOneCpu)));
  Submit(*scheduler, Request(3, Wants(kOneCpu)));
  const std::vector<Action> actions = scheduler->Step();
  ASSERT_EQ(Text(actions), "spill 1 to 02000000, spill 2 to 02000000");
  EXPECT_TRUE(scheduler->ExpireSpill(std::get<action::SpillTo>(actions[0])));
  EXPECT_EQ(Step(*scheduler), "spill 3 to 02000000");
  NodeView news = BusyNode(Node(2), {{"CPU", 2}}, {});
  news.version = 2;
  scheduler->UpdateNode(news);
  EXPECT_FALSE(scheduler->ExpireSpill(std::get<action::SpillTo>(actions[1])));
  Submit(*scheduler, Request(4, Wants(kOneCpu)));
  EXPECT_EQ(Step(*scheduler), "") << "nothing was added to the newer picture";
  scheduler->RemoveNode(Node(2));
  EXPECT_FALSE(scheduler->ExpireSpill(std::get<action::SpillTo>(actions[1])));
}

TEST_F(SchedulerTest, WhatCameFromElsewhereStaysIfItFits) {
  const auto scheduler = MakeScheduler(
      []() {
        ConfigValue config = Config({{"kind", "distributed"}});
        config.map()->emplace("policy", Config({{"kind", "round_robin"}}));
        return config;
      }(),
      FreeNode(Node(5), {{"CPU", 1}}));
  scheduler->UpdateNode(FreeNode(Node(2), {{"CPU", 8}}));
  Submit(*scheduler, Hopped(Request(1, Wants(kOneCpu)), 1));
  Submit(*scheduler, Hopped(Request(2, Wants(kOneCpu)), 1));
  EXPECT_EQ(Step(*scheduler), "grant 1, spill 2 to 02000000");
}

TEST_F(SchedulerTest, AfterItsLastHopARequestWaitsHereOrIsRejected) {
  const auto scheduler = Distributed(1, "2");
  scheduler->UpdateNode(FreeNode(Node(2), {{"CPU", 8}}));
  Submit(*scheduler, Hopped(Request(1, Wants(kOneCpu)), 2));
  Submit(*scheduler, Hopped(Request(2, Wants(kOneCpu)), 2));
  Submit(*scheduler, Hopped(Request(3, Wants({{"CPU", 2}})), 2));
  Submit(*scheduler, Hopped(Request(4, WantsNode(kOneCpu, Node(2), false)), 2));
  Submit(*scheduler, Hopped(Request(5, Wants({{"CPU", 2}})), 1));
  EXPECT_EQ(Step(*scheduler), "grant 1, reject 3, reject 4, spill 5 to 02000000");
  EXPECT_THAT(ReasonOfQueue(*scheduler), HasSubstr("node 01000000 has CPU: 0 of 1 free"));
  scheduler->Return(kOneCpu);
  EXPECT_EQ(Step(*scheduler), "grant 2");
}

TEST_F(SchedulerTest, ADrainingNodeFinishesWhatItHasAndSpillsTheRest) {
  const auto scheduler = Distributed(4);
  Submit(*scheduler, Request(1, Wants(kOneCpu)));
  EXPECT_EQ(Step(*scheduler), "grant 1");
  NodeView local = scheduler->Local();
  local.draining = true;
  local.available = {{"CPU", 100}};  // not theirs to say
  scheduler->UpdateNode(local);
  EXPECT_EQ(scheduler->Local().available, ResourceSet({{"CPU", 3}}));
  Submit(*scheduler, Request(2, Wants(kOneCpu)));
  EXPECT_EQ(Step(*scheduler), "infeasible 2");
  scheduler->UpdateNode(FreeNode(Node(2), {{"CPU", 1}}));
  EXPECT_EQ(Step(*scheduler), "spill 2 to 02000000");
  scheduler->Return(kOneCpu);
  scheduler->CheckInvariants();
}

TEST_F(SchedulerTest, LocalVersionGrowsWithEveryChangeOthersShouldSee) {
  const auto scheduler = Local(1);
  std::uint64_t version = scheduler->Local().version;
  const auto grew = [&] {
    return scheduler->Local().version > std::exchange(version, scheduler->Local().version);
  };
  Submit(*scheduler, Request(1, Wants(kOneCpu)));
  Submit(*scheduler, Request(2, Wants(kOneCpu)));
  EXPECT_EQ(Step(*scheduler), "grant 1");
  EXPECT_TRUE(grew());
  EXPECT_EQ(Step(*scheduler), "");
  EXPECT_FALSE(grew()) << "nothing happened";
  scheduler->Cancel(2);
  EXPECT_TRUE(grew()) << "the queue is shorter";
  scheduler->Return(kOneCpu);
  EXPECT_TRUE(grew());
}

/// Counts what a step costs: the policy decides per shape, not per request. Static, because the
/// maker of a kind is a plain function.
class CountingPolicy final : public SchedulingPolicy {
 public:
  static inline int calls = 0;
  static Result<std::unique_ptr<SchedulingPolicy>> Make(ConfigReader&, const Context&) {
    return std::make_unique<CountingPolicy>();
  }
  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    ++calls;
    return inner_->Choose(request, view);
  }
  [[nodiscard]] std::string_view Name() const override { return "counting"; }

 private:
  std::unique_ptr<SchedulingPolicy> inner_ = Policy(Config({}));
};

TEST_F(SchedulerTest, AHundredThousandRequestsOfAFewShapesAreDecidedPerShape) {
  int& calls = CountingPolicy::calls;
  calls = 0;
  Kinds<SchedulingPolicy> policies = BuiltInPolicies();
  policies.Add({"hybrid", CountingPolicy::Make});
  const auto scheduler = *BuiltInSchedulers().Make(
      Config({{"kind", "distributed"}}), "scheduler", kUsualScheduler,
      {.policies = policies, .local = FreeNode(Node(1), {{"CPU", 4}}), .random = Random(1)});
  constexpr std::uint64_t kRequests = 100'000;
  for (std::uint64_t ticket = 0; ticket < kRequests; ++ticket) {
    const auto cpus = static_cast<double>(1 + ticket % 4);
    Submit(*scheduler, Deep(Request(ticket, Wants({{"CPU", cpus}})), ticket % 7));
  }
  EXPECT_EQ(scheduler->Step().size(), 2U) << "the deepest and earliest: 3 CPU at 6, then 1";
  EXPECT_LE(calls, 8);
  calls = 0;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(scheduler->Step().size(), 0U);
    scheduler->UpdateNode(BusyNode(Node(2), {{"CPU", 4}}, {}));
  }
  EXPECT_LE(calls, 8) << "a full node is no reason to decide again";
  scheduler->CheckInvariants();
}

}  // namespace
}  // namespace mobula::scheduler::testing
