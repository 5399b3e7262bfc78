/// What the reasons say, word for word: people and `mobula why` read them.
#include "components/scheduler/explain.h"

#include "tests/components/scheduler/worlds.h"

namespace mobula::scheduler::testing {
namespace {

std::string Explain(const ResourceRequest& request, const ClusterView& view) {
  return ReasonOf(NothingFits(Filter(request, view)));
}

TEST(ExplainTest, AnImpossibleAmountNamesTheLargestNode) {
  ClusterView view;
  view.Upsert(FreeNode(Node(0x3f), {{"CPU", 4}}));
  view.Upsert(FreeNode(Node(0x41), {{"CPU", 2}}));
  EXPECT_EQ(Explain(Wants({{"CPU", 1000}}), view),
            "no node has CPU: 1000 (largest: node 3f000000 has 4): "
            "node 3f000000 has CPU: 4 in all, 1000 wanted; "
            "node 41000000 has CPU: 2 in all, 1000 wanted");
  EXPECT_EQ(Explain(Wants({{"CPU", 1}, {"tape", 1}}), view),
            "no node has tape: 1 (none has any): "
            "node 3f000000 has tape: 0 in all, 1 wanted; "
            "node 41000000 has tape: 0 in all, 1 wanted");
}

TEST(ExplainTest, AWaitSaysWhatEachNodeThatCouldHasFree) {
  ClusterView view;
  view.Upsert(BusyNode(Node(1), {{"CPU", 4}}, {{"CPU", 0.5}}));
  view.Upsert(BusyNode(Node(2), {{"CPU", 8}}, {{"CPU", -1}}));
  view.Upsert(FreeNode(Node(3), {{"CPU", 1}}));
  EXPECT_EQ(Explain(Wants({{"CPU", 2}}), view),
            "waits for CPU: 2: node 01000000 has CPU: 0.5 of 4 free, 2 wanted; "
            "node 02000000 has CPU: -1 of 8 free, 2 wanted");
}

TEST(ExplainTest, OnlyTheFirstNodesAreListedAndTheOthersCounted) {
  ClusterView view;
  for (std::uint8_t n = 1; n <= 20; ++n) view.Upsert(BusyNode(Node(n), {{"CPU", 4}}, {}));
  const std::string wait = Explain(Wants({{"CPU", 1}}), view);
  EXPECT_THAT(wait,
              ::testing::EndsWith("node 08000000 has CPU: 0 of 4 free, 1 wanted; and 12 more"));
  EXPECT_THAT(Explain(Wants({{"CPU", 5}}), view), ::testing::EndsWith("; and 12 more"));
}

TEST(ExplainTest, EachResourceIsSomewhereButNotTogether) {
  ClusterView view;
  view.Upsert(FreeNode(Node(1), {{"CPU", 8}}));
  view.Upsert(FreeNode(Node(2), {{"CPU", 1}, {"GPU", 1}}));
  EXPECT_EQ(Explain(Wants({{"CPU", 4}, {"GPU", 1}}), view),
            "no single node has all of {CPU: 4, GPU: 1}: "
            "node 01000000 has GPU: 0 in all, 1 wanted; node 02000000 has CPU: 1 in all, 4 wanted");
}

TEST(ExplainTest, LabelsAndStatesAreReasonsToo) {
  ClusterView view;
  NodeView in_a = FreeNode(Node(1), {{"CPU", 4}});
  in_a.labels["zone"] = "a";
  NodeView draining = FreeNode(Node(2), {{"CPU", 4}});
  draining.draining = true;
  view.Upsert(in_a);
  view.Upsert(draining);
  view.Upsert(FreeNode(Node(3), {{"CPU", 4}}));
  ResourceRequest request = Wants({{"CPU", 1}});
  request.labels.push_back(*LabelTerm::Parse("zone", "b"));
  EXPECT_EQ(
      Explain(request, view),
      "no node that takes new work has the labels zone in(b): node 01000000 has label zone=a; "
      "node 02000000 is draining; node 03000000 has no label zone");
  EXPECT_EQ(Explain(WantsNode({{"CPU", 1}}, Node(2), false), view), "node 02000000 is draining");
  EXPECT_EQ(Explain(Wants({{"CPU", 1}}), ClusterView()), "the cluster has no nodes");
}

}  // namespace
}  // namespace mobula::scheduler::testing
