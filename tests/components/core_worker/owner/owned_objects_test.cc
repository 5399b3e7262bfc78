// What an owner keeps of its objects, and when it lets go.

#include "components/core_worker/owner/owned_objects.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "components/base/simulated/event_loop.h"
#include "components/core_worker/owner/references.h"
#include "components/transport/inprocess/inprocess_transport.h"

namespace mobula::core_worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// The table of a process that talks to nobody.
class OwnedObjectsTest : public ::testing::Test {
 protected:
  OwnedObjectsTest() {
    protocol::Address self;
    self.set_worker_id(std::string(random_.NewId<WorkerId>().Binary()));
    table_.SetSelf(self);
  }
  ObjectState Stored(const NodeId& node) {
    InStore stored{.size_bytes = 1000, .copies = {}};
    stored.copies.emplace(node, "inproc://" + node.Hex());
    return stored;
  }
  SimulatedEventLoop loop_{1};
  Random random_{1};
  EventLog log_{loop_.clock(), "test", LogLevel::kError, {}};
  std::unique_ptr<transport::Transport> nowhere_ = transport::MakeInprocessTransport(loop_);
  rpc::ClientPool peers_{loop_, [this](std::string_view) { return nowhere_.get(); },
                         random_.Fork("peers"), rpc::ClientOptions()};
  rpc::Client raylet_{loop_, *nowhere_, "inproc://nobody", random_.Fork("raylet"), {}};
  std::vector<ObjectId> lost_, released_;
  ReferenceTable table_{{loop_, peers_, raylet_, log_},
                        {},
                        {.on_lost = [this](const ObjectId& id) { lost_.push_back(id); },
                         .on_released = [this](const ObjectId& id) { released_.push_back(id); }}};
  OwnedObjects& owned_ = table_.owned();
  ObjectId id_ = random_.NewId<ObjectId>();
  NodeId here_ = random_.NewId<NodeId>();
  NodeId there_ = random_.NewId<NodeId>();
};

TEST_F(OwnedObjectsTest, AnObjectIsForgottenWithItsLastHold) {
  internal::ReferencePtr first = table_.NewOwned(id_, Payload::FromString("value"));
  internal::ReferencePtr second = first;
  first.reset();
  loop_.RunReady();
  EXPECT_TRUE(owned_.Has(id_));
  second.reset();
  loop_.RunReady();
  EXPECT_FALSE(owned_.Has(id_));
  EXPECT_THAT(released_, ElementsAre(id_));
}

TEST_F(OwnedObjectsTest, WhatAValueContainsIsHeldAsLongAsTheValue) {
  const ObjectId inner = random_.NewId<ObjectId>();
  std::vector<internal::ReferencePtr> contained;
  contained.push_back(table_.NewOwned(inner, Payload::FromString("inner")));
  internal::ReferencePtr outer =
      table_.NewOwned(id_, Payload::FromString("outer"), std::move(contained));
  loop_.RunReady();
  EXPECT_TRUE(owned_.Has(inner));
  outer.reset();
  loop_.RunReady();
  EXPECT_THAT(released_, ElementsAre(id_, inner));
}

TEST_F(OwnedObjectsTest, LineageKeepsTheIdAndNotTheValueWhichIsMadeAgainWhenItIsWanted) {
  internal::ReferencePtr held = table_.NewOwned(id_, Stored(here_));
  owned_.AddLineage(id_);
  held.reset();
  loop_.RunReady();
  EXPECT_TRUE(owned_.Has(id_));
  EXPECT_TRUE(std::holds_alternative<Pending>(table_.Peek(id_))) << "its copies are freed";
  held = table_.Hold(id_, nullptr);
  EXPECT_THAT(lost_, IsEmpty());
  table_.Want(id_);
  table_.Want(id_);
  loop_.RunReady();
  EXPECT_THAT(lost_, ElementsAre(id_)) << "made again, once";
  held.reset();
  loop_.RunReady();
  owned_.RemoveLineage(id_);
  EXPECT_FALSE(owned_.Has(id_));
}

TEST_F(OwnedObjectsTest, AnObjectIsLostWithTheNodeOfItsLastCopy) {
  const internal::ReferencePtr held = table_.NewOwned(id_, Stored(here_));
  owned_.AddCopy(id_, there_, "inproc://there");
  owned_.DropNode(here_);
  EXPECT_THAT(lost_, IsEmpty());
  owned_.DropNode(there_);
  EXPECT_THAT(lost_, ElementsAre(id_));
  EXPECT_TRUE(std::holds_alternative<Pending>(table_.Peek(id_)));
}

TEST_F(OwnedObjectsTest, AResultThatIsLateDoesNotReplaceAnError) {
  const internal::ReferencePtr held = table_.NewOwned(id_);
  owned_.SetIfPending(id_, Error(ErrorCode::kTaskFailed, "thrown"));
  owned_.SetIfPending(id_, Payload::FromString("late"));
  EXPECT_TRUE(std::holds_alternative<Error>(table_.Peek(id_)));
  table_.CheckInvariants();
}

}  // namespace
}  // namespace mobula::core_worker
