#include "components/raylet/object_owners.h"

#include <gtest/gtest.h>

#include "components/base/random.h"
#include "components/protocol/raylet.pb.h"

namespace mobula::raylet {
namespace {

class ObjectOwnersTest : public testing::Test {
 protected:
  protocol::AdoptObjectsRequest Adoption(const NodeId& node) {
    protocol::AdoptObjectsRequest request;
    request.mutable_owner()->set_worker_id(std::string(random_.NewId<WorkerId>().Binary()));
    request.mutable_owner()->set_node_id(std::string(node.Binary()));
    request.add_ids(std::string(random_.NewId<ObjectId>().Binary()));
    return request;
  }
  static WorkerId OwnerOf(const protocol::AdoptObjectsRequest& request) {
    return WorkerId::FromBinaryOrNil(request.owner().worker_id());
  }

  Random random_{1};
  std::size_t removed_ = 0;
  ObjectOwners owners_{[this](const ObjectId&) { ++removed_; }};
  const NodeId node_ = random_.NewId<NodeId>();
};

TEST_F(ObjectOwnersTest, WhatADeadOwnerLeavesIsRemovedNowAndLater) {
  const auto early = Adoption(node_);
  owners_.Adopt(early, nullptr);
  EXPECT_EQ(removed_, 0U);
  owners_.OnOwnerDied(OwnerOf(early), "signal 9 (SIGKILL)");
  EXPECT_EQ(removed_, 1U);
  owners_.Adopt(early, nullptr);
  EXPECT_EQ(removed_, 2U);
}

TEST_F(ObjectOwnersTest, WhatIsSealedForAnOwnerOnADeadNodeIsRemoved) {
  owners_.Adopt(Adoption(node_), nullptr);
  owners_.OnNodeDied(node_, "no heartbeat");
  EXPECT_EQ(removed_, 1U);
  owners_.Adopt(Adoption(node_), nullptr);  // of an owner that had nothing here when it died
  EXPECT_EQ(removed_, 2U);
  owners_.Adopt(Adoption(random_.NewId<NodeId>()), nullptr);
  EXPECT_EQ(removed_, 2U) << "another node lives";
  const auto worker = random_.NewId<WorkerId>();
  EXPECT_EQ(owners_.CauseOfDeath(worker, random_.NewId<NodeId>()), nullptr);
  ASSERT_NE(owners_.CauseOfDeath(worker, node_), nullptr);
  EXPECT_EQ(*owners_.CauseOfDeath(worker, node_), "its node died: no heartbeat");
}

}  // namespace
}  // namespace mobula::raylet
