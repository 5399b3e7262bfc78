// An owner is told when a copy of its object is evicted from a node that it never spoke to.

#include <gtest/gtest.h>

#include "components/protocol/owner_methods.h"
#include "tests/components/object_store/store_node.h"
#include "tests/components/raylet/raylet_world.h"

namespace mobula::raylet::testing {
namespace {

using object_store::CopyKind;
using object_store::TestId;

TEST(EvictedCopiesTest, TheOwnerOfAPulledCopyIsToldThatThisNodeHasItNoMore) {
  World world(ResourceSet{});
  object_store::StoreNode source(world.loop, *world.transport, "inproc://elsewhere", {});
  source.Put(1, 1000);

  std::vector<protocol::ReportCopiesRequest> reports;
  rpc::ServiceTable owner_methods;
  owner_methods.HandleNotification(protocol::kReportCopies, [&](auto& report, rpc::Peer&) {
    reports.push_back(std::move(report));
  });
  rpc::Server owner_server(world.loop, owner_methods);
  ASSERT_TRUE(owner_server.Listen(*world.transport, "inproc://owner"));
  protocol::Address owner;
  owner.set_worker_id(std::string(world.random.NewId<WorkerId>().Binary()));
  owner.set_node_id(std::string(world.random.NewId<NodeId>().Binary()));
  owner.set_endpoint("inproc://owner");

  // A driver of this node reads the object: a copy is made here.
  JobId job;
  const auto driver = world.AddDriver(job);
  object_store::Told<std::unique_ptr<object_store::StoreClient>> attached;
  object_store::AttachStore(world.loop, *driver->client, attached.Callback());
  world.RunFor(std::chrono::seconds(1));
  ASSERT_TRUE(attached.Ok()) << attached.Message();
  object_store::Told<Payload> got;
  (**attached.value)
      ->Get(TestId(1),
            {.raylet_endpoints = {source.own_endpoint}, .owner = owner.SerializeAsString()},
            got.Callback());
  world.RunFor(std::chrono::seconds(1));
  ASSERT_TRUE(got.Ok()) << got.Message();
  got.value.reset();  // read, and no longer pinned
  world.RunFor(std::chrono::seconds(1));
  ASSERT_TRUE(world.node->store().ContainsSealed(TestId(1)));
  EXPECT_TRUE(reports.empty());

  // An object as large as the store needs all room.
  const std::uint64_t capacity = world.node->store().Usage().capacity_bytes;
  const auto large =
      world.node->store().Create(TestId(2), capacity, CopyKind::kPrimary, object_store::kRaylet);
  ASSERT_TRUE(large) << large.error().ToString();
  world.RunFor(std::chrono::seconds(1));
  ASSERT_EQ(reports.size(), 1U) << "the owner was not told";
  ASSERT_EQ(reports[0].evicted_ids_size(), 1);
  EXPECT_EQ(reports[0].evicted_ids(0), TestId(1).Binary());
  EXPECT_EQ(reports[0].node().node_id(), world.config.node_id.Binary());
  owner_server.Stop();
}

}  // namespace
}  // namespace mobula::raylet::testing
