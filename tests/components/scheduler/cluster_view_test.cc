#include "components/scheduler/cluster_view.h"

#include "tests/components/scheduler/worlds.h"

namespace mobula::scheduler::testing {
namespace {

NodeView WithVersion(NodeView node, std::uint64_t version) {
  node.version = version;
  return node;
}

TEST(ClusterViewTest, OlderAndEqualNewsIsIgnored) {
  ClusterView view;
  const NodeView full = BusyNode(Node(1), {{"CPU", 4}}, {});
  const NodeView free = FreeNode(Node(1), {{"CPU", 4}});
  EXPECT_EQ(view.Upsert(WithVersion(full, 7)), ViewChange::kShape);
  EXPECT_EQ(view.Upsert(WithVersion(free, 6)), ViewChange::kNone);
  EXPECT_EQ(view.Upsert(WithVersion(free, 7)), ViewChange::kNone);
  EXPECT_TRUE(view.Find(Node(1))->available.IsEmpty());
  EXPECT_EQ(view.Upsert(WithVersion(free, 8)), ViewChange::kUsage);
  EXPECT_EQ(view.Find(Node(1))->available, ResourceSet({{"CPU", 4}}));
}

TEST(ClusterViewTest, ChangedTotalLabelsAndStateChangeTheShape) {
  ClusterView view;
  NodeView node = FreeNode(Node(1), {{"CPU", 4}});
  view.Upsert(node);
  const auto change = [&] {
    ++node.version;
    return view.Upsert(node);
  };
  node.total.Set("GPU", Amount::FromDouble(1));
  EXPECT_EQ(change(), ViewChange::kShape);
  node.labels["zone"] = "a";
  EXPECT_EQ(change(), ViewChange::kShape);
  node.draining = true;
  EXPECT_EQ(change(), ViewChange::kShape);
  node.object_bytes = 5;
  EXPECT_EQ(change(), ViewChange::kUsage);
  EXPECT_EQ(view.Remove(Node(1)), ViewChange::kShape);
  EXPECT_EQ(view.Remove(Node(1)), ViewChange::kNone);
  EXPECT_EQ(view.Find(Node(1)), nullptr);
}

TEST(ClusterViewTest, AGuessAboutAnotherNodeLastsUntilItReportsAnew) {
  ClusterView view;
  view.Upsert(WithVersion(FreeNode(Node(1), {{"CPU", 4}}), 5));
  view.Take(Node(1), {{"CPU", 3}});
  EXPECT_EQ(view.Find(Node(1))->available, ResourceSet({{"CPU", 1}}));
  view.Upsert(WithVersion(FreeNode(Node(1), {{"CPU", 4}}), 5));  // the same report again
  EXPECT_EQ(view.Find(Node(1))->available, ResourceSet({{"CPU", 1}}));
  view.Upsert(WithVersion(BusyNode(Node(1), {{"CPU", 4}}, {{"CPU", 2}}), 6));
  EXPECT_EQ(view.Find(Node(1))->available, ResourceSet({{"CPU", 2}}));
}

TEST(ClusterViewTest, OnlyTheLocalNodeGetsANewVersionFromOwnChanges) {
  ClusterView view;
  view.SetLocal(Node(1));
  EXPECT_EQ(view.local(), nullptr);
  view.Upsert(FreeNode(Node(1), {{"CPU", 4}}));
  view.Upsert(FreeNode(Node(2), {{"CPU", 4}}));
  for (const NodeId& id : {Node(1), Node(2), Node(9)}) view.Take(id, {{"CPU", 1}});
  EXPECT_EQ(view.local()->version, 2U);
  EXPECT_EQ(view.Find(Node(2))->version, 1U);
}

/// The index may name nodes that do not fit, never miss one that does, and knows when none can.
TEST(ClusterViewTest, TheIndexNeverMissesANodeThatFits) {
  Random random(11);
  ClusterView view;
  std::vector<NodeId> ids;
  for (int i = 0; i < 60; ++i) ids.push_back(random.NewId<NodeId>());
  for (std::uint64_t step = 1; step < 3000; ++step) {
    const NodeId id = ids[random.Below(ids.size())];
    const std::uint64_t what = random.Below(8);
    if (what == 0) {
      view.Remove(id);
    } else if (what == 1) {
      view.Take(id, {{"CPU", 1}});
    } else if (what == 2) {
      view.Give(id, {{"CPU", 1}, {"GPU", 0.5}});
    } else {
      view.Upsert(RandomNode(random, id, step));
    }
    const ResourceSet wanted = RandomAmounts(random, 6);
    const FreeIndex::Candidates found = view.MayFit(wanted);
    std::map<NodeId, int> times;
    for (std::size_t i = 0; i < found.size(); ++i) ++times[found[i].id];
    EXPECT_EQ(times.size(), found.size()) << "a node is listed twice";
    for (const auto& [node_id, node] : view.nodes()) {
      if (!node.TakesWork()) {
        ASSERT_FALSE(times.contains(node_id));
      } else if (node.total.Covers(wanted) && node.available.Covers(wanted)) {
        ASSERT_TRUE(times.contains(node_id)) << "step " << step << " " << wanted.ToString();
      }
    }
  }
}

TEST(ClusterViewTest, CandidatesAreOrderedByWhatIsFree) {
  ClusterView view;
  for (std::uint8_t n = 1; n <= 6; ++n) {
    view.Upsert(BusyNode(Node(n), {{"CPU", 64}}, {{"CPU", static_cast<double>(1 << n)}}));
  }
  const FreeIndex::Candidates found = view.MayFit({{"CPU", 3}});
  std::vector<NodeId> order;
  for (std::size_t i = 0; i < found.size(); ++i) order.push_back(found[i].id);
  EXPECT_EQ(order, std::vector({Node(1), Node(2), Node(3), Node(4), Node(5), Node(6)}));
  EXPECT_EQ(view.MayFit({{"CPU", 129}}).size(), 0U);
  EXPECT_EQ(view.MayFit({{"tape", 1}}).size(), 0U);
  EXPECT_EQ(view.MayFit({}).size(), 6U);
}

TEST(LabelTermTest, ReadsRaysNotationAndWritesItBack) {
  const Labels in_a = {{"zone", "a"}};
  EXPECT_TRUE(LabelTerm::Parse("zone", "a")->Accepts(in_a));
  EXPECT_FALSE(LabelTerm::Parse("zone", "!a")->Accepts(in_a));
  EXPECT_TRUE(LabelTerm::Parse("zone", "in(b, a)")->Accepts(in_a));
  EXPECT_FALSE(LabelTerm::Parse("zone", "!in(b,a)")->Accepts(in_a));
  EXPECT_FALSE(LabelTerm::Parse("zone", "a")->Accepts({}));
  EXPECT_TRUE(LabelTerm::Parse("zone", "!a")->Accepts({}));
  EXPECT_EQ(LabelTerm::Parse("zone", " !in( b,a ) ")->ToString(), "zone !in(b, a)");
}

TEST(LabelTermTest, RefusesWhatIsEmptyOrLeftOpen) {
  for (const char* text : {"", "!", "in()", "in(a,", "in(a,,b)", "!in(a"}) {
    const auto term = LabelTerm::Parse("zone", text);
    ASSERT_FALSE(term.has_value()) << text;
    EXPECT_EQ(term.error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(LabelTerm::Parse(" ", "a").has_value());
}

}  // namespace
}  // namespace mobula::scheduler::testing
