/// Random histories against both kinds; what must hold after each event, whatever came before.
#include <map>

#include "tests/components/scheduler/schedulers.h"

namespace mobula::scheduler::testing {
namespace {

/// Drives one scheduler as a lease manager might, and remembers what it was told.
class Driver {
 public:
  Driver(const ConfigValue& config, std::uint64_t seed) : random_(seed) {
    for (int i = 0; i < 6; ++i) ids_.push_back(random_.NewId<NodeId>());
    scheduler_ = MakeScheduler(config, FreeNode(ids_[0], {{"CPU", 4}, {"GPU", 1}}), seed);
  }

  void Event() {
    switch (random_.Below(8)) {
      case 0:
      case 1:
      case 2: return Submit();
      case 3: return Cancel();
      case 4: return EndLease();
      case 5: return Block();
      case 6: return Wake();
      default: return News();
    }
  }

  /// Steps and checks every action against what was asked.
  std::string Step() {
    scheduler_->CheckInvariants();
    const std::vector<Action> actions = scheduler_->Step();
    for (const Action& action : actions) Take(action);
    scheduler_->CheckInvariants();
    ExpectNobodyForgotten();
    return Text(actions);
  }

  /// Ends all leases until none is left: whatever can ever run here has run.
  void Drain() {
    while (!blocked_.empty()) Wake();
    while (!leases_.empty()) {
      EndLease();
      Step();
    }
    EXPECT_EQ(scheduler_->Local().available, scheduler_->Local().total);
    for (const auto& [ticket, ask] : queued_) {
      EXPECT_NE(scheduler_->Why(ticket), "") << "a queued ask cannot say why";
    }
  }

  Scheduler& scheduler() { return *scheduler_; }
  [[nodiscard]] std::size_t spills() const { return spills_; }
  [[nodiscard]] std::size_t grants() const { return grants_; }

 private:
  void Submit() {
    LeaseAsk ask = Ask(next_ticket_++, RandomRequest(random_, ids_));
    ask = Of(static_cast<std::uint8_t>(random_.Below(4)), std::move(ask));
    ask.depth = static_cast<std::uint32_t>(random_.Below(4));
    ask.hops = static_cast<std::uint32_t>(random_.Below(4));
    if (random_.Chance(0.1)) ask.if_busy = IfBusy::kReject;
    queued_.emplace(ask.ticket, ask);
    ASSERT_TRUE(scheduler_->Submit(std::move(ask)).has_value());
  }
  void Cancel() {
    if (next_ticket_ == 0) return;
    const std::uint64_t ticket = random_.Below(next_ticket_);
    EXPECT_EQ(scheduler_->Cancel(ticket), queued_.erase(ticket) == 1);
  }
  ResourceSet TakeOut(std::vector<ResourceSet>& from) {
    const std::size_t index = random_.Below(from.size());
    std::swap(from[index], from.back());
    ResourceSet out = std::move(from.back());
    from.pop_back();
    return out;
  }
  void EndLease() {
    if (!leases_.empty()) scheduler_->Return(TakeOut(leases_));
  }
  void Block() {
    if (leases_.empty()) return;
    blocked_.push_back(TakeOut(leases_));
    scheduler_->Lend(blocked_.back());
  }
  void Wake() {
    if (blocked_.empty()) return;
    leases_.push_back(TakeOut(blocked_));
    scheduler_->TakeBack(leases_.back());
  }
  void News() {
    const NodeId id = ids_[1 + random_.Below(ids_.size() - 1)];
    if (random_.Chance(0.2)) return scheduler_->RemoveNode(id);
    scheduler_->UpdateNode(RandomNode(random_, id, ++version_));
  }

  void Take(const Action& action) {
    const std::uint64_t ticket = TicketOf(action);
    ASSERT_TRUE(queued_.contains(ticket)) << "an action for an ask that is not queued";
    const LeaseAsk& ask = queued_.at(ticket);
    if (const auto* never = std::get_if<action::Infeasible>(&action)) {
      EXPECT_NE(never->reason, "");
      EXPECT_TRUE(scheduler_->IsInfeasible(ticket));
      return;  // still queued
    }
    if (const auto* grant = std::get_if<action::Grant>(&action)) {
      EXPECT_EQ(grant->resources, ask.request.resources);
      leases_.push_back(grant->resources);
      ++grants_;
    } else if (const auto* spill = std::get_if<action::SpillTo>(&action)) {
      EXPECT_LT(ask.hops, 3U) << "one hop too many";
      EXPECT_NE(spill->node, ids_[0]) << "spilled to itself";
      EXPECT_NE(scheduler_->View().Find(spill->node), nullptr);
      ++spills_;
    } else {
      EXPECT_NE(std::get<action::Reject>(action).reason, "");
      EXPECT_TRUE(ask.if_busy == IfBusy::kReject || ask.hops >= 1);
    }
    queued_.erase(ticket);
  }

  /// No wake-up is lost: whatever still waits fits on no node that it may go to.
  void ExpectNobodyForgotten() {
    for (const auto& [ticket, ask] : queued_) {
      EXPECT_EQ(ask.if_busy, IfBusy::kQueue);
      const Oracle oracle(ask.request, scheduler_->View());
      const std::vector<NodeId>& fitting = oracle.fitting();
      const bool may_leave = scheduler_->Name() == "distributed" && ask.hops < 3;
      EXPECT_TRUE(may_leave ? fitting.empty() : std::ranges::count(fitting, ids_[0]) == 0)
          << "ticket " << ticket << " fits and waits: " << scheduler_->Why(ticket);
      EXPECT_NE(scheduler_->Why(ticket), "");
      if (!may_leave) continue;
      EXPECT_EQ(scheduler_->IsInfeasible(ticket), oracle.feasible().empty());
    }
  }

  Random random_;
  std::vector<NodeId> ids_;
  std::unique_ptr<Scheduler> scheduler_;
  std::map<std::uint64_t, LeaseAsk> queued_;
  std::vector<ResourceSet> leases_;
  std::vector<ResourceSet> blocked_;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t version_ = 0;
  std::size_t spills_ = 0;
  std::size_t grants_ = 0;
};

ConfigValue KindAndPolicy(const std::string& kind, const std::string& policy) {
  ConfigValue config = Config({{"kind", kind.c_str()}});
  if (kind != "local") config.map()->emplace("policy", Config({{"kind", policy.c_str()}}));
  return config;
}

class SchedulerConformanceTest
    : public ::testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(SchedulerConformanceTest, BooksBalanceAndNobodyIsForgottenInAnyHistory) {
  std::size_t grants = 0;
  std::size_t spills = 0;
  for (std::uint64_t seed = 1; seed <= 25 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Driver driver(KindAndPolicy(GetParam().first, GetParam().second), seed);
    for (int i = 0; i < 300; ++i) {
      driver.Event();
      if (i % 3 == 0) driver.Step();
    }
    driver.Drain();
    grants += driver.grants();
    spills += driver.spills();
  }
  EXPECT_GT(grants, 100U);
  EXPECT_EQ(spills > 0, std::string(GetParam().first) == "distributed");
}

TEST_P(SchedulerConformanceTest, TheSameSeedTakesTheSameActions) {
  const ConfigValue config = KindAndPolicy(GetParam().first, GetParam().second);
  Driver one(config, 5);
  Driver other(config, 5);
  for (int i = 0; i < 300; ++i) {
    one.Event();
    other.Event();
    ASSERT_EQ(one.Step(), other.Step()) << "event " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, SchedulerConformanceTest,
    ::testing::Values(std::pair("local", "none"), std::pair("distributed", "hybrid"),
                      std::pair("distributed", "random"), std::pair("distributed", "round_robin"),
                      std::pair("distributed", "spread"), std::pair("distributed", "pack"),
                      std::pair("distributed", "least_loaded"),
                      std::pair("distributed", "power_of_two"),
                      std::pair("distributed", "locality")),
    [](const auto& info) { return std::string(info.param.first) + "_" + info.param.second; });

TEST(SchedulerDeathTest, BrokenPromisesOfTheLeaseManagerAbort) {
  const ResourceSet cpu = {{"CPU", 1}};
  const auto scheduler = [] {
    return MakeScheduler(Config({{"kind", "local"}}), FreeNode(Node(1), {{"CPU", 4}}));
  };
  EXPECT_DEATH(scheduler()->Return(cpu), "returned more than was granted");
  EXPECT_DEATH(scheduler()->Lend(cpu), "lent more than was granted");
  EXPECT_DEATH(scheduler()->TakeBack(cpu), "took back more than it lent");
}

TEST(SchedulerDeathTest, APolicyThatOvercommitsIsStoppedAtTheGrant) {
  class Overcommits final : public SchedulingPolicy {
    Decision Choose(const ResourceRequest&, const ClusterView& view) override {
      return decision::Place{view.local_id()};
    }
    [[nodiscard]] std::string_view Name() const override { return "overcommits"; }
  };
  Registry<PolicyMaker> policies("scheduling policy");
  policies.Add("hybrid",
               [](const ConfigValue&, Random) -> Result<std::unique_ptr<SchedulingPolicy>> {
                 return std::make_unique<Overcommits>();
               });
  Registry<SchedulerMaker> schedulers("scheduler");
  RegisterSchedulers(schedulers);
  const auto scheduler = *(**schedulers.Find("distributed"))(
      Config({{"kind", "distributed"}}), FreeNode(Node(1), {{"CPU", 1}}), policies, Random(1));
  ASSERT_TRUE(scheduler->Submit(Ask(1, Wants({{"CPU", 2}}))).has_value());
  EXPECT_DEATH((void)scheduler->Step(), "placed work where it does not fit");
}

}  // namespace
}  // namespace mobula::scheduler::testing
