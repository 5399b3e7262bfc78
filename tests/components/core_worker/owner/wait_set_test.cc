// Blocked calls wait for objects: told once, and forgotten from either side.

#include "components/core_worker/owner/wait_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace mobula::core_worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

TEST(WaitSetTest, LearnsWhichObjectsBecameKnown) {
  WaitPoint changed;
  WaitSet waits(changed, 3);
  WaitList first;
  WaitList second;
  first.Add(waits, 0);
  second.Add(waits, 2);
  EXPECT_THAT(waits.TakeReady(), IsEmpty());
  second.Tell();
  EXPECT_THAT(waits.TakeReady(), ElementsAre(2));
  first.Tell();
  second.Tell();
  EXPECT_THAT(waits.TakeReady(), ElementsAre(0)) << "each is told once";
}

TEST(WaitSetTest, AnObjectTellsAllThatWaitForIt) {
  WaitPoint changed;
  WaitSet one(changed, 1);
  WaitSet other(changed, 2);
  WaitList object;
  object.Add(one, 0);
  object.Add(other, 1);
  object.Tell();
  EXPECT_THAT(one.TakeReady(), ElementsAre(0));
  EXPECT_THAT(other.TakeReady(), ElementsAre(1));
}

TEST(WaitSetTest, ACallThatEndsLeavesTheListsOfItsObjects) {
  WaitPoint changed;
  WaitSet stays(changed, 1);
  WaitList object;
  {
    std::optional<WaitSet> ends(std::in_place, changed, 2);
    object.Add(*ends, 0);
    object.Add(stays, 0);
    object.Add(*ends, 1);
  }
  object.Tell();
  EXPECT_THAT(stays.TakeReady(), ElementsAre(0));
}

TEST(WaitSetTest, AnObjectThatEndsOrMovesIsLeftToo) {
  WaitPoint changed;
  WaitSet waits(changed, 2);
  WaitList moved;
  {
    WaitList ends;
    WaitList moves;
    ends.Add(waits, 0);
    moves.Add(waits, 1);
    moved.TakeFrom(moves);
  }
  moved.Tell();
  EXPECT_THAT(waits.TakeReady(), UnorderedElementsAre(1));
}

}  // namespace
}  // namespace mobula::core_worker
