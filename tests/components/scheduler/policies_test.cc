/// Decision tables: what each built-in policy chooses in small clusters that show its character.
#include <map>

#include "tests/components/scheduler/worlds.h"

namespace mobula::scheduler::testing {
namespace {

/// Nodes 1, 2, … of 10 CPU each, with that many free; node 1 is the local one.
std::unique_ptr<ClusterView> TenCpuNodes(const std::vector<double>& free) {
  auto view = std::make_unique<ClusterView>();
  for (std::size_t i = 0; i < free.size(); ++i) {
    view->Upsert(
        BusyNode(Node(static_cast<std::uint8_t>(i + 1)), {{"CPU", 10}}, {{"CPU", free[i]}}));
  }
  view->SetLocal(Node(1));
  return view;
}

std::vector<NodeId> Choices(SchedulingPolicy& policy, const ResourceRequest& request,
                            const ClusterView& view, int count) {
  std::vector<NodeId> chosen;
  for (int i = 0; i < count; ++i) {
    chosen.push_back(Placed(policy.Choose(request, view)).value_or(NodeId()));
  }
  return chosen;
}

struct Row {
  const char* why;
  std::vector<double> free;
  std::uint8_t chosen;
};

void ExpectRows(const ConfigValue& config, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const auto view = TenCpuNodes(row.free);
    const auto chosen = Placed(Policy(config)->Choose(Wants({{"CPU", 1}}), *view));
    ASSERT_TRUE(chosen.has_value()) << row.why;
    EXPECT_EQ(*chosen, Node(row.chosen)) << row.why;
  }
}

TEST(HybridPolicyTest, FillsTheLocalNodeToTheThresholdThenTakesTheLeastUsed) {
  ExpectRows(Config({{"kind", "hybrid"}}),
             {{"all empty: stay", {10, 10, 10}, 1},
              {"below the threshold all are alike: stay", {6, 10, 10}, 1},
              {"half used counts: go to the least used", {5, 5, 6}, 3},
              {"nobody is better: stay", {5, 5, 5}, 1},
              {"full: go", {0, 2, 1}, 2},
              {"overcommitted: go", {-1, 3, 1}, 2},
              {"the only one with room", {0, 0, 1}, 3}});
}

TEST(HybridPolicyTest, TheThresholdIsAKey) {
  ExpectRows(Config({{"kind", "hybrid"}, {"spread_threshold", "0"}}),
             {{"spread from the start", {9, 10, 8}, 2}, {"ties stay", {9, 9, 9}, 1}});
  ExpectRows(Config({{"kind", "hybrid"}, {"spread_threshold", "1"}}),
             {{"pack until full", {1, 10, 10}, 1}});
}

TEST(HybridPolicyTest, ChoosesByChanceAmongTheBestFifth) {
  std::vector<double> free(10, 1);
  free[0] = 0;                      // the local node is full
  free[3] = free[7] = free[8] = 4;  // nodes 4, 8 and 9 are best; a fifth of ten is two
  const auto view = TenCpuNodes(free);
  const auto policy = Policy(Config({{"kind", "hybrid"}}));
  std::map<NodeId, int> times;
  for (const NodeId& id : Choices(*policy, Wants({{"CPU", 1}}), *view, 200)) ++times[id];
  EXPECT_EQ(times.size(), 2U);
  EXPECT_GT(times[Node(4)], 50);
  EXPECT_GT(times[Node(8)], 50);
}

TEST(HybridPolicyTest, CountsMemoryAndObjectsAsUse) {
  ClusterView view;
  view.SetLocal(Node(1));
  NodeView objects = FreeNode(Node(1), {{"CPU", 10}});
  objects.object_bytes = 80;
  objects.object_bytes_capacity = 100;
  view.Upsert(objects);
  view.Upsert(BusyNode(Node(2), {{"CPU", 10}, {"memory", 100}}, {{"CPU", 10}, {"memory", 30}}));
  const auto policy = Policy(Config({{"kind", "hybrid"}}));
  EXPECT_EQ(Placed(policy->Choose(Wants({{"CPU", 1}}), view)), Node(2));
}

TEST(HybridPolicyTest, LeavesGpuNodesToThoseWhoWantThem) {
  ClusterView view;
  view.SetLocal(Node(1));
  view.Upsert(FreeNode(Node(1), {{"CPU", 4}, {"GPU", 1}}));
  view.Upsert(FreeNode(Node(2), {{"CPU", 4}}));
  const auto policy = Policy(Config({{"kind", "hybrid"}}));
  EXPECT_EQ(Placed(policy->Choose(Wants({{"CPU", 1}}), view)), Node(2));
  EXPECT_EQ(Placed(policy->Choose(Wants({{"GPU", 1}}), view)), Node(1));
  view.Take(Node(2), {{"CPU", 4}});
  EXPECT_EQ(Placed(policy->Choose(Wants({{"CPU", 1}}), view)), Node(1)) << "better than waiting";
  view.Give(Node(2), {{"CPU", 4}});
  const auto blunt = Policy(Config({{"kind", "hybrid"}, {"avoid_gpu_nodes", "false"}}));
  EXPECT_EQ(Placed(blunt->Choose(Wants({{"CPU", 1}}), view)), Node(1));
}

TEST(HybridPolicyTest, PrefersTheNodeThatHoldsTheArguments) {
  const auto view = TenCpuNodes({10, 10, 10});
  const auto policy = Policy(Config({{"kind", "hybrid"}}));
  ResourceRequest request = Wants({{"CPU", 1}});
  request.locality = {{Node(2), 10}, {Node(3), 900}};
  EXPECT_EQ(Placed(policy->Choose(request, *view)), Node(3));
  view->Take(Node(3), {{"CPU", 10}});
  EXPECT_EQ(Placed(policy->Choose(request, *view)), Node(2)) << "the next best holder";
  request.locality = {{Node(9), 900}};
  EXPECT_EQ(Placed(policy->Choose(request, *view)), Node(1)) << "a node that is gone";
}

TEST(PackPolicyTest, TakesTheFullestThatFits) {
  ExpectRows(
      Config({{"kind", "pack"}}),
      {{"first of equals", {10, 10, 10}, 1}, {"fullest", {5, 1, 3}, 2}, {"fits", {0, 4, 7}, 2}});
}

TEST(SpreadPolicyTest, TakesTheEmptiestThatFits) {
  ExpectRows(Config({{"kind", "spread"}}), {{"emptiest", {5, 1, 8}, 3}, {"fits", {0, 7, 4}, 2}});
}

TEST(SpreadPolicyTest, EqualsTakeTurns) {
  const auto view = TenCpuNodes({10, 10, 10});
  const auto policy = Policy(Config({{"kind", "spread"}}));
  EXPECT_EQ(Choices(*policy, Wants({{"CPU", 1}}), *view, 5),
            std::vector({Node(1), Node(2), Node(3), Node(1), Node(2)}));
}

TEST(RoundRobinPolicyTest, GoesAroundPastNodesThatDoNotFit) {
  const auto view = TenCpuNodes({10, 0, 10, 1});
  const auto policy = Policy(Config({{"kind", "round_robin"}}));
  EXPECT_EQ(Choices(*policy, Wants({{"CPU", 1}}), *view, 5),
            std::vector({Node(1), Node(3), Node(4), Node(1), Node(3)}));
}

TEST(RandomPolicyTest, EveryNodeThatFitsIsAsLikely) {
  for (const std::size_t nodes : {5U, 60U}) {
    std::vector<double> free(nodes, 0);
    for (std::size_t i = 0; i < 5; ++i) free[i * (nodes / 5)] = static_cast<double>(2 * i + 1);
    const auto view = TenCpuNodes(free);
    const auto policy = Policy(Config({{"kind", "random"}}));
    std::map<NodeId, int> times;
    for (const NodeId& id : Choices(*policy, Wants({{"CPU", 1}}), *view, 5000)) ++times[id];
    EXPECT_EQ(times.size(), 5U);
    for (const auto& [id, count] : times) EXPECT_NEAR(count, 1000, 150) << id.Short();
  }
}

TEST(LeastLoadedPolicyTest, ComparesQueuesThenUse) {
  ClusterView view;
  for (std::uint8_t n = 1; n <= 3; ++n) {
    NodeView node = BusyNode(Node(n), {{"CPU", 10}}, {{"CPU", n == 2 ? 8.0 : 9.0}});
    node.queued_requests = n == 1 ? 5 : 0;
    view.Upsert(node);
  }
  const auto policy = Policy(Config({{"kind", "least_loaded"}}));
  EXPECT_EQ(Placed(policy->Choose(Wants({{"CPU", 1}}), view)), Node(3));
}

TEST(PowerOfTwoPolicyTest, NeverTakesTheWorstAndReachesAllOthers) {
  const auto view = TenCpuNodes({1, 4, 6, 8});
  const auto policy = Policy(Config({{"kind", "power_of_two"}}));
  std::map<NodeId, int> times;
  for (const NodeId& id : Choices(*policy, Wants({{"CPU", 1}}), *view, 600)) ++times[id];
  EXPECT_EQ(times.size(), 3U);
  EXPECT_FALSE(times.contains(Node(1)));
  EXPECT_GT(times[Node(4)], times[Node(3)]);
  EXPECT_GT(times[Node(3)], times[Node(2)]);
}

TEST(LocalityPolicyTest, GoesToTheBytesThatFit) {
  const auto view = TenCpuNodes({10, 1, 5});
  const auto policy = Policy(Config({{"kind", "locality"}}));
  ResourceRequest request = Wants({{"CPU", 1}});
  request.locality = {{Node(2), 900}, {Node(3), 10}};
  EXPECT_EQ(Placed(policy->Choose(request, *view)), Node(2));
  request.resources = {{"CPU", 2}};
  EXPECT_EQ(Placed(policy->Choose(request, *view)), Node(3));
  request.locality.clear();
  EXPECT_EQ(Placed(policy->Choose(request, *view)), Node(1));
}

TEST(StrategyTest, ARequestMayAskForSpreadUnderAnyPolicy) {
  const auto view = TenCpuNodes({2, 10, 10});
  const auto policy = Policy(Config({{"kind", "pack"}}));
  ResourceRequest request = Wants({{"CPU", 1}});
  EXPECT_EQ(Placed(policy->Choose(request, *view)), Node(1));
  request.strategy = Spread{};
  EXPECT_EQ(Choices(*policy, request, *view, 3), std::vector({Node(2), Node(3), Node(2)}));
  EXPECT_EQ(policy->Name(), "pack");
}

TEST(StrategyTest, ASoftWishForANodeWaitsWhileThatNodeCouldServeIt) {
  const auto view = TenCpuNodes({10, 0, 10});
  const auto policy = Policy(Config({}));
  EXPECT_FALSE(Placed(policy->Choose(WantsNode({{"CPU", 1}}, Node(2), true), *view)));
  EXPECT_FALSE(Placed(policy->Choose(WantsNode({{"CPU", 1}}, Node(2), false), *view)));
  view->Remove(Node(2));
  EXPECT_EQ(Placed(policy->Choose(WantsNode({{"CPU", 1}}, Node(2), true), *view)), Node(1));
  const Decision hard = policy->Choose(WantsNode({{"CPU", 1}}, Node(2), false), *view);
  EXPECT_TRUE(std::holds_alternative<decision::Infeasible>(hard));
  EXPECT_EQ(ReasonOf(hard), "node 02000000 is not in the cluster");
}

TEST(PolicyConfigTest, UnknownKindsKeysAndValuesAreErrorsThatNameThem) {
  const auto error = [](const ConfigValue& config) {
    const auto policy = MakePolicy(BuiltInPolicies(), config, Random(1));
    return policy ? std::string("no error") : policy.error().ToString();
  };
  EXPECT_THAT(error(Config({{"kind", "hybird"}})),
              ::testing::AllOf(::testing::HasSubstr("hybird"), ::testing::HasSubstr("hybrid")));
  EXPECT_THAT(error(Config({{"kind", "random"}, {"sample_nodes", "3"}})),
              ::testing::HasSubstr("sample_nodes"));
  EXPECT_THAT(error(Config({{"kind", "hybrid"}, {"spread_threshold", "1.5"}})),
              ::testing::HasSubstr("spread_threshold"));
  EXPECT_EQ(error(Config({{"kind", "pack"}, {"sample_nodes", "0"}})), "no error");
}

}  // namespace
}  // namespace mobula::scheduler::testing
