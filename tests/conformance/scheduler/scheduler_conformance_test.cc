// Every scheduler that is listed in components/scheduler/registration.cc keeps the promises of
// scheduler.h, with every policy, and schedulers that are wrong on purpose are found out.

#include "tests/conformance/scheduler/scheduler_checks.h"

namespace mobula::scheduler::testing {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

SchedulerFactory Factory(const ConfigValue& config) {
  return [config](NodeView local, std::uint64_t seed) {
    return MakeScheduler(config, std::move(local), seed);
  };
}

class SchedulerConformanceTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SchedulerConformanceTest, BooksBalanceAndNoRequestIsForgottenInAnyHistory) {
  const ConfigValue config = Config({{"kind", GetParam().c_str()}});
  EXPECT_THAT(SchedulerViolations(Factory(config), Sends::kUnknown), IsEmpty());
  EXPECT_EQ(MakeScheduler(config, FreeNode(Node(1), {}))->Name(), GetParam());
}
INSTANTIATE_TEST_SUITE_P(EveryKind, SchedulerConformanceTest,
                         ::testing::ValuesIn(BuiltInSchedulers().Names()),
                         [](const auto& kind) { return kind.param; });

TEST(LocalSchedulerConformanceTest, SendsNothingAway) {
  const ConfigValue config = Config({{"kind", "local"}});
  EXPECT_THAT(SchedulerViolations(Factory(config), Sends::kNothing), IsEmpty());
}

class DistributedSchedulerConformanceTest : public ::testing::TestWithParam<std::string> {};

TEST_P(DistributedSchedulerConformanceTest, NothingWaitsThatFitsOnAnyNode) {
  ConfigValue config = Config({{"kind", "distributed"}});
  config.map()->emplace("policy", Config({{"kind", GetParam().c_str()}}));
  EXPECT_THAT(SchedulerViolations(Factory(config), Sends::kToAny), IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(EveryPolicy, DistributedSchedulerConformanceTest,
                         ::testing::ValuesIn(BuiltInPolicies().Names()),
                         [](const auto& kind) { return kind.param; });

/// A built-in scheduler that breaks one promise.
class WrongScheduler : public Scheduler {
 public:
  WrongScheduler(NodeView local, std::uint64_t seed)
      : inner_(MakeScheduler(Config({{"kind", "distributed"}}), std::move(local), seed)) {}

  Result<void> Submit(LeaseRequest request) override { return inner_->Submit(std::move(request)); }
  bool Cancel(std::uint64_t ticket) override { return inner_->Cancel(ticket); }
  std::vector<Action> Step() override { return inner_->Step(); }
  void Return(const ResourceSet& resources) override { inner_->Return(resources); }
  void LendFromBlocked(const ResourceSet& resources) override {
    inner_->LendFromBlocked(resources);
  }
  void RestoreToUnblocked(const ResourceSet& resources) override {
    inner_->RestoreToUnblocked(resources);
  }
  void UpdateNode(NodeView node) override { inner_->UpdateNode(std::move(node)); }
  bool ExpireSpill(const action::SpillTo& spill) override { return inner_->ExpireSpill(spill); }
  void RemoveNode(const NodeId& id) override { inner_->RemoveNode(id); }
  [[nodiscard]] bool IsInfeasible(std::uint64_t ticket) const override {
    return inner_->IsInfeasible(ticket);
  }
  [[nodiscard]] std::vector<QueuedShape> Queue() const override { return inner_->Queue(); }
  [[nodiscard]] const NodeView& Local() const override { return inner_->Local(); }
  [[nodiscard]] std::string_view Name() const override { return "wrong"; }
  void CheckInvariants() const override { inner_->CheckInvariants(); }

 protected:
  std::unique_ptr<Scheduler> inner_;
};

template <typename Wrong>
std::set<std::string> Of() {
  return SchedulerViolations(
      [](NodeView local, std::uint64_t seed) {
        return std::make_unique<Wrong>(std::move(local), seed);
      },
      Sends::kToAny);
}

TEST(PlantedSchedulerTest, OneThatOnlyPassesOnIsRight) {
  EXPECT_THAT(Of<WrongScheduler>(), IsEmpty());
}

class ForgetsReturns final : public WrongScheduler {
 public:
  using WrongScheduler::WrongScheduler;
  void Return(const ResourceSet&) override {}
};
TEST(PlantedSchedulerTest, OneThatForgetsWhatCameBackIsFoundOut) {
  EXPECT_THAT(Of<ForgetsReturns>(), Contains("all leases are over, and the node is not free"));
}

class IgnoresNews final : public WrongScheduler {
 public:
  using WrongScheduler::WrongScheduler;
  void UpdateNode(NodeView) override {}
};
TEST(PlantedSchedulerTest, OneThatIgnoresNewsOfNodesIsFoundOut) {
  EXPECT_THAT(Of<IgnoresNews>(), Contains("a request waits that fits on a node it may go to"));
}

class GrantsTwice final : public WrongScheduler {
 public:
  using WrongScheduler::WrongScheduler;
  std::vector<Action> Step() override {
    std::vector<Action> actions = inner_->Step();
    if (!actions.empty()) actions.push_back(actions.front());
    return actions;
  }
};
TEST(PlantedSchedulerTest, OneThatActsTwiceOnARequestIsFoundOut) {
  EXPECT_THAT(Of<GrantsTwice>(), Contains("an action for a request that is not queued"));
}

class NeverSaysNever final : public WrongScheduler {
 public:
  using WrongScheduler::WrongScheduler;
  [[nodiscard]] bool IsInfeasible(std::uint64_t) const override { return false; }
};
TEST(PlantedSchedulerTest, OneThatForgetsWhatIsImpossibleIsFoundOut) {
  EXPECT_THAT(Of<NeverSaysNever>(), Contains("IsInfeasible is wrong about a queued request"));
}

TEST(SchedulerDeathTest, BrokenPromisesOfTheLeaseManagerAbort) {
  const ResourceSet cpu = {{"CPU", 1}};
  const auto scheduler = [] {
    return MakeScheduler(Config({{"kind", "local"}}), FreeNode(Node(1), {{"CPU", 4}}));
  };
  EXPECT_DEATH(scheduler()->Return(cpu), "returned more than was granted");
  EXPECT_DEATH(scheduler()->LendFromBlocked(cpu), "lent more than was granted");
  EXPECT_DEATH(scheduler()->RestoreToUnblocked(cpu), "took back more than it lent");
}

TEST(SchedulerDeathTest, APolicyThatOvercommitsIsStoppedAtTheGrant) {
  class Overcommits final : public SchedulingPolicy {
    Decision Choose(const ResourceRequest&, const ClusterView& view) override {
      return decision::Place{view.local_id()};
    }
    [[nodiscard]] std::string_view Name() const override { return "overcommits"; }
  };
  Kinds<SchedulingPolicy> policies = BuiltInPolicies();
  policies.Add({"hybrid",
                [](ConfigReader&,
                   const SchedulingPolicy::Context&) -> Result<std::unique_ptr<SchedulingPolicy>> {
                  return std::make_unique<Overcommits>();
                }});
  const auto scheduler = *BuiltInSchedulers().Make(
      Config({{"kind", "distributed"}}), "scheduler", kUsualScheduler,
      {.policies = policies, .local = FreeNode(Node(1), {{"CPU", 1}}), .random = Random(1)});
  ASSERT_TRUE(scheduler->Submit(Request(1, Wants({{"CPU", 2}}))).has_value());
  EXPECT_DEATH((void)scheduler->Step(), "placed work where it does not fit");
}

}  // namespace
}  // namespace mobula::scheduler::testing
