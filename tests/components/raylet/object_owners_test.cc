#include "components/raylet/object_owners.h"

#include <gtest/gtest.h>

#include "components/base/random.h"
#include "components/base/simulated/event_loop.h"
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
  SimulatedEventLoop loop_{1};
  std::vector<std::pair<std::string, protocol::ReportCopiesRequest>> reports_;
  ObjectOwners owners_{
      loop_, [this](const ObjectId&) { ++removed_; },
      [this](const protocol::Address& owner, protocol::ReportCopiesRequest report) {
        reports_.emplace_back(owner.worker_id(), std::move(report));
      }};
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

TEST_F(ObjectOwnersTest, AnOwnerIsToldOnceOfAllItsCopiesThatWereEvictedTogether) {
  const auto anna = Adoption(node_);
  const auto bert = Adoption(node_);
  std::vector<ObjectId> pulled;
  for (int i = 0; i < 3; ++i) pulled.push_back(random_.NewId<ObjectId>());
  owners_.OnPulled(pulled[0], anna.owner().SerializeAsString());
  owners_.OnPulled(pulled[1], bert.owner().SerializeAsString());
  owners_.OnPulled(pulled[2], anna.owner().SerializeAsString());
  for (const ObjectId& object : pulled) owners_.OnEvicted(object);
  owners_.OnEvicted(random_.NewId<ObjectId>());  // of an owner that nobody has named
  EXPECT_TRUE(reports_.empty());
  loop_.RunFor(std::chrono::milliseconds(1));
  ASSERT_EQ(reports_.size(), 2U);
  for (const auto& [owner, report] : reports_) {
    EXPECT_EQ(report.evicted_ids_size(), owner == anna.owner().worker_id() ? 2 : 1);
  }
  owners_.OnEvicted(pulled[0]);
  loop_.RunFor(std::chrono::milliseconds(1));
  EXPECT_EQ(reports_.size(), 2U) << "it is gone: there is nothing more to tell";
}

TEST_F(ObjectOwnersTest, AnOwnerThatHasFreedItsCopyOrDiedIsToldNothing) {
  const auto anna = Adoption(node_);
  const auto bert = Adoption(node_);
  const ObjectId freed = random_.NewId<ObjectId>();
  const ObjectId orphan = random_.NewId<ObjectId>();
  owners_.OnPulled(freed, anna.owner().SerializeAsString());
  owners_.OnPulled(orphan, bert.owner().SerializeAsString());
  protocol::FreeObjectsRequest free;
  free.add_ids(std::string(freed.Binary()));
  owners_.Free(free);
  owners_.OnOwnerDied(OwnerOf(bert), "signal 9 (SIGKILL)");
  EXPECT_EQ(removed_, 2U);
  owners_.OnEvicted(freed);
  owners_.OnEvicted(orphan);
  loop_.RunFor(std::chrono::milliseconds(1));
  EXPECT_TRUE(reports_.empty());
}

}  // namespace
}  // namespace mobula::raylet
