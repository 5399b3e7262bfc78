// Callbacks that wait for objects: never inside the call that makes one known, and once.

#include "components/core_worker/owner/watches.h"

#include <gtest/gtest.h>

#include <set>

#include "components/base/random.h"
#include "components/base/simulated/event_loop.h"

namespace mobula::core_worker {
namespace {

class WatchesTest : public ::testing::Test {
 protected:
  Watches::OnState Note() {
    return [this](const ObjectId&, const ObjectState& state) {
      EXPECT_FALSE(std::holds_alternative<Pending>(state));
      ++told_;
    };
  }
  SimulatedEventLoop loop_{1};
  Random random_{1};
  ObjectId id_ = random_.NewId<ObjectId>();
  ObjectState state_;
  std::vector<WatchId> list_;  // of the object
  int told_ = 0;
  Watches watches_{loop_,
                   {.state_of = [this](const ObjectId&) { return state_; },
                    .add_to = [this](const ObjectId&, WatchId watch) { list_.push_back(watch); }}};
};

TEST_F(WatchesTest, AreToldOnceAndNeverInsideTheCallThatWakesThem) {
  const WatchId watch = watches_.Add(id_, Note());
  state_ = Payload::FromString("value");
  watches_.Wake({watch});
  EXPECT_EQ(told_, 0);
  loop_.RunReady();
  EXPECT_EQ(told_, 1);
  watches_.Wake({watch});
  loop_.RunReady();
  EXPECT_EQ(told_, 1);
  EXPECT_EQ(watches_.size(), 0U);
}

TEST_F(WatchesTest, OneThatIsTakenAwayIsNotTold) {
  const WatchId watch = watches_.Add(id_, Note());
  state_ = Payload::FromString("value");
  watches_.Wake({watch});
  watches_.Remove(watch);
  loop_.RunReady();
  EXPECT_EQ(told_, 0);
}

TEST_F(WatchesTest, AnObjectThatIsLostBeforeItsWatchRunsIsWaitedForAgain) {
  const WatchId watch = watches_.Add(id_, Note());
  list_.clear();
  watches_.Wake({watch});  // it was known, and has been lost since
  loop_.RunReady();
  EXPECT_EQ(told_, 0);
  EXPECT_EQ(list_, std::vector<WatchId>{watch}) << "in the object's list again";
  state_ = Error(ErrorCode::kObjectLost, "gone");
  watches_.Wake({watch});
  loop_.RunReady();
  EXPECT_EQ(told_, 1);
}

}  // namespace
}  // namespace mobula::core_worker
