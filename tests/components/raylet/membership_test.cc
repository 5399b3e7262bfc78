// What a node tells the GCS, and what it makes of the GCS's news.

#include "components/raylet/membership.h"

#include <gtest/gtest.h>

#include "components/protocol/gcs_convert.h"
#include "tests/components/raylet/raylet_world.h"

namespace mobula::raylet::testing {
namespace {

using std::chrono::milliseconds;

/// A member beside the node of a world, of which only this part is there.
struct Member {
  explicit Member(World& the_world) : world(the_world) {}
  ~Member() {
    membership.Stop();
    gcs.Stop();
  }
  void Join() {
    protocol::NodeInfo info;
    info.set_node_id(std::string(id.Binary()));
    info.set_state(protocol::ALIVE);
    info.set_endpoint("inproc://member");
    membership.Join(std::move(info),
                    [this](const Result<void>& joined) { has_joined = joined.has_value(); });
    world.RunFor(milliseconds(100));
  }

  World& world;
  NodeId id = world.random.NewId<NodeId>();
  bool has_joined = false;
  int reports = 0;
  std::set<NodeId> alive;
  std::vector<std::pair<NodeId, std::string>> dead;
  std::vector<std::string> must_exit;
  rpc::ClientPool peers{world.loop, [this](std::string_view) { return world.transport.get(); },
                        world.random.Fork("member_peers"), rpc::ClientOptions()};
  gcs::GcsClient gcs{world.loop, *world.transport, std::string(World::kGcs),
                     world.random.Fork("member_gcs"), rpc::ClientOptions()};
  Membership membership{
      {world.loop, gcs, peers, world.log},
      {.fill_report = [this](protocol::NodeInfo&) { ++reports; },
       .on_node = [this](const protocol::NodeInfo& node) { alive.insert(protocol::IdOf(node)); },
       .on_node_died = [this](const NodeId& node,
                              const std::string& reason) { dead.emplace_back(node, reason); },
       .on_owner_died = [](const protocol::WorkerDeath&) {},
       .on_job_ended = [](const JobId&) {},
       .on_must_exit = [this](const Error& why) { must_exit.push_back(why.message()); }}};
};

TEST(MembershipTest, KnowsWhereTheOthersAreReachedAndNotItself) {
  World world({{"CPU", 1}});
  Member member(world);
  member.Join();
  EXPECT_TRUE(member.has_joined);
  EXPECT_EQ(member.alive, std::set<NodeId>{world.config.node_id});
  EXPECT_EQ(member.membership.EndpointOf(world.config.node_id), "inproc://raylet");
  EXPECT_TRUE(member.membership.IsMember("inproc://raylet"));
  EXPECT_EQ(member.membership.EndpointOf(member.id), "");
  EXPECT_FALSE(member.membership.IsMember("inproc://member"));
}

TEST(MembershipTest, ANodeThatDiesIsNoMemberAnyMore) {
  World world({{"CPU", 1}});
  Member member(world);
  member.Join();
  world.node->Leave("asked to", [] {});
  world.RunFor(milliseconds(100));
  const std::vector<std::pair<NodeId, std::string>> expected = {
      {world.config.node_id, "left: asked to"}};
  EXPECT_EQ(member.dead, expected);
  EXPECT_FALSE(member.membership.IsMember("inproc://raylet"));
}

TEST(MembershipTest, ANodeThatDiedBeforeWeEverSawItIsNewsToo) {
  World world({{"CPU", 1}});
  const auto other = world.random.NewId<NodeId>();
  const auto client = world.AddNode(other);
  client->LeaveNode("asked to", [](const auto&) {});
  world.RunFor(milliseconds(100));
  Member member(world);
  member.Join();
  const std::vector<std::pair<NodeId, std::string>> expected = {{other, "left: asked to"}};
  EXPECT_EQ(member.dead, expected);
}

TEST(MembershipTest, ManyChangesAreOneReportAndNoneIsMadeBeforeItHasJoined) {
  World world({{"CPU", 1}});
  Member member(world);
  member.membership.ReportSoon();
  member.Join();
  EXPECT_EQ(member.reports, 0);
  for (int i = 0; i < 5; ++i) member.membership.ReportSoon();
  world.RunFor(milliseconds(100));
  EXPECT_EQ(member.reports, 1);
  member.membership.ReportSoon();
  world.RunFor(milliseconds(100));
  EXPECT_EQ(member.reports, 2);
}

TEST(MembershipTest, HeartbeatsKeepAnIdleNodeAlive) {
  World world({{"CPU", 1}});
  Member member(world);
  member.Join();
  world.RunFor(std::chrono::minutes(5));
  EXPECT_TRUE(member.must_exit.empty());
}

TEST(MembershipTest, LeavingDoesNotWaitForAGcsThatDoesNotAnswer) {
  World world({{"CPU", 1}});
  Member member(world);
  member.Join();
  world.gcs_service->Stop();
  int left = 0;
  member.membership.Leave("asked to", [&] { ++left; });
  world.RunFor(std::chrono::seconds(2));
  EXPECT_EQ(left, 1);
}

TEST(MembershipTest, AGcsThatIsGoneForGoodEndsTheNode) {
  World world({{"CPU", 1}});
  Member member(world);
  member.Join();
  world.gcs_service->Stop();
  world.RunFor(std::chrono::seconds(10));
  ASSERT_EQ(member.must_exit.size(), 1U);
  EXPECT_EQ(member.must_exit[0], "the head is lost: nothing listens at inproc://gcs");
}

}  // namespace
}  // namespace mobula::raylet::testing
