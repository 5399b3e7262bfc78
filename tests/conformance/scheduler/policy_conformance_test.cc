// Every policy that is listed in components/scheduler/registration.cc keeps the promises of
// scheduling_policy.h, and policies that are wrong on purpose are found out.

#include "components/scheduler/filter.h"
#include "tests/conformance/scheduler/policy_checks.h"

namespace mobula::scheduler::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PolicyConformanceTest : public ::testing::TestWithParam<std::string> {};

TEST_P(PolicyConformanceTest, KeepsThePromisesOfTheInterface) {
  const PolicyFactory make = [](std::uint64_t seed) {
    return Policy(Config({{"kind", GetParam().c_str()}}), seed);
  };
  EXPECT_THAT(PolicyViolations(make), IsEmpty());
  EXPECT_EQ(make(1)->Name(), GetParam()) << "a policy is called as its kind";
}
INSTANTIATE_TEST_SUITE_P(EveryKind, PolicyConformanceTest,
                         ::testing::ValuesIn(BuiltInPolicies().Names()),
                         [](const auto& kind) { return kind.param; });

/// A policy that goes wrong in one way; otherwise it takes the first node that fits.
class WrongPolicy final : public SchedulingPolicy {
 public:
  using Rule = std::function<Decision(const ResourceRequest&, const ClusterView&)>;
  explicit WrongPolicy(Rule rule) : rule_(std::move(rule)) {}
  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    return rule_(request, view);
  }
  [[nodiscard]] std::string_view Name() const override { return "wrong"; }

 private:
  Rule rule_;
};

Decision FirstThatFits(const ResourceRequest& request, const ClusterView& view) {
  const Filter filter(request, view);
  for (const auto& [id, node] : view.nodes()) {
    if (filter.Fits(node)) return decision::Place{id};
  }
  return NothingFits(filter);
}

Violations Of(const WrongPolicy::Rule& rule) {
  return PolicyViolations([&](std::uint64_t) { return std::make_unique<WrongPolicy>(rule); });
}

TEST(PlantedPolicyTest, TheSimplestRightPolicyPasses) { EXPECT_THAT(Of(FirstThatFits), IsEmpty()); }

TEST(PlantedPolicyTest, OneThatOvercommitsIsFoundOut) {
  const auto rule = [](const ResourceRequest& request, const ClusterView& view) -> Decision {
    for (const auto& [id, node] : view.nodes()) {
      if (Filter(request, view).IsFeasible(node)) return decision::Place{id};
    }
    return NothingFits(Filter(request, view));
  };
  EXPECT_THAT(Of(rule), Contains(HasSubstr("cannot run the request now")));
}

TEST(PlantedPolicyTest, OneThatForgetsDrainingLabelsAndWishesIsFoundOut) {
  const auto rule = [](const ResourceRequest& request, const ClusterView& view) -> Decision {
    for (const auto& [id, node] : view.nodes()) {
      if (node.available.Covers(request.resources)) return decision::Place{id};
    }
    return NothingFits(Filter(request, view));
  };
  EXPECT_THAT(Of(rule), Contains(HasSubstr("cannot run the request now")));
}

TEST(PlantedPolicyTest, OneThatLooksAtTheFirstFewNodesOnlyIsFoundOut) {
  const auto rule = [](const ResourceRequest& request, const ClusterView& view) -> Decision {
    int looked = 0;
    for (const auto& [id, node] : view.nodes()) {
      if (++looked > 32) break;
      if (Filter(request, view).Fits(node)) return decision::Place{id};
    }
    return NothingFits(Filter(request, view));
  };
  EXPECT_THAT(Of(rule), Contains("a node fits and was not found"));
}

TEST(PlantedPolicyTest, OneThatGivesNoReasonIsFoundOut) {
  const auto rule = [](const ResourceRequest& request, const ClusterView& view) -> Decision {
    Decision decision = FirstThatFits(request, view);
    if (auto* wait = std::get_if<decision::Wait>(&decision)) wait->reason.clear();
    return decision;
  };
  EXPECT_THAT(Of(rule), Contains("no reason given"));
}

TEST(PlantedPolicyTest, OneThatNeverSaysNeverIsFoundOut) {
  const auto rule = [](const ResourceRequest& request, const ClusterView& view) -> Decision {
    Decision decision = FirstThatFits(request, view);
    if (!std::holds_alternative<decision::Infeasible>(decision)) return decision;
    return decision::Wait{ReasonOf(decision)};
  };
  EXPECT_THAT(Of(rule), Contains("Wait for what can never be"));
}

TEST(PlantedPolicyTest, OneThatRemembersAcrossObjectsIsFoundOut) {
  Random shared(1);
  const auto rule = [&](const ResourceRequest& request, const ClusterView& view) -> Decision {
    const Oracle oracle(request, view);
    if (oracle.fitting().empty()) return NothingFits(Filter(request, view));
    return decision::Place{oracle.fitting()[shared.Below(oracle.fitting().size())]};
  };
  EXPECT_THAT(Of(rule), Contains("the same seed and history gave another answer"));
}

TEST(PlantedPolicyTest, OneThatKeepsBigNodesForLaterIsFoundOut) {
  const auto rule = [](const ResourceRequest& request, const ClusterView& view) -> Decision {
    const bool any_big = std::ranges::any_of(view.nodes(), [](const auto& entry) {
      return entry.second.total.Get(kGpu) >= Amount::FromDouble(8);
    });
    if (any_big) return decision::Wait{"CPU GPU memory tape"};
    return FirstThatFits(request, view);
  };
  EXPECT_THAT(Of(rule), Contains("a bigger node made a placed request wait"));
}

}  // namespace
}  // namespace mobula::scheduler::testing
