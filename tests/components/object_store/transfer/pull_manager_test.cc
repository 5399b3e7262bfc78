#include "components/object_store/transfer/pull_manager.h"

#include "tests/components/object_store/transfer/pull_fixture.h"

namespace mobula::object_store {
namespace {

class PullManagerTest : public PullTest {};

TEST_F(PullManagerTest, BringsASecondaryCopyInChunks) {
  Add();
  Add().Put(1, 10 * kChunk + 7);
  Told<void> told;
  Pull(1, {1}, told);
  loop_.RunFor(seconds(1));
  ASSERT_EQ(told.What(), "ok");
  EXPECT_TRUE(Node(0).Holds(1));
  EXPECT_EQ(Node(1).transfer.sent_bytes(), 10 * kChunk + 7);
  loop_.RunFor(seconds(1));
  const StoreUsage usage = Node(0).store->Usage();
  EXPECT_EQ(usage.evictable_bytes, usage.used_bytes) << "unpinned, and not the original";
  EXPECT_EQ(Node(0).pulls.bytes_in_flight(), 0U);
}

TEST_F(PullManagerTest, EmptyObjectsCanBePulled) {
  Add();
  Add().Put(1, 0);
  Told<void> told;
  Pull(1, {1}, told);
  loop_.RunFor(seconds(1));
  EXPECT_EQ(told.What(), "ok");
  EXPECT_TRUE(Node(0).Holds(1));
}

TEST_F(PullManagerTest, PullsOfOneObjectAreJoined) {
  Add();
  Add().Put(1, 20 * kChunk);
  std::vector<Told<void>> told(5);
  for (auto& one : told) Pull(1, {1}, one);
  EXPECT_EQ(Node(0).pulls.pull_count(), 1U);
  loop_.RunFor(seconds(1));
  for (const auto& one : told) EXPECT_EQ(one.What(), "ok");
  EXPECT_EQ(Node(1).transfer.sent_bytes(), 20 * kChunk);
}

TEST_F(PullManagerTest, WhatIsHereAlreadyIsNotPulled) {
  Add().Put(1, 100);
  Add().Put(1, 100);
  Told<void> told;
  Pull(1, {1}, told);
  EXPECT_EQ(told.What(), "") << "never inside the call";
  loop_.RunFor(seconds(1));
  EXPECT_EQ(told.What(), "ok");
  EXPECT_EQ(Node(1).transfer.sent_bytes(), 0U);
}

TEST_F(PullManagerTest, AsksTheNextSourceWhenOneHasItNoMore) {
  Add();
  Add();
  Add().Put(1, 3 * kChunk);
  Told<void> told;
  Pull(1, {0, 1, 2}, told);
  loop_.RunFor(seconds(1));
  EXPECT_EQ(told.What(), "ok");
  EXPECT_TRUE(Node(0).Holds(1));
}

TEST_F(PullManagerTest, NoSourceIsNotFoundAndSaysWhoWasAsked) {
  Add();
  Add();
  Told<void> nobody;
  Told<void> somebody;
  Pull(1, {}, nobody);
  Pull(2, {1, 7}, somebody);
  loop_.RunFor(seconds(30));
  EXPECT_EQ(nobody.What(), "not_found");
  EXPECT_EQ(somebody.What(), "not_found");
  EXPECT_NE(somebody.Message().find("sim://n1.raylet/rpc: not there"), std::string::npos)
      << somebody.Message();
  EXPECT_NE(somebody.Message().find("sim://n7.raylet/rpc"), std::string::npos);
  EXPECT_EQ(Node(0).pulls.pull_count(), 0U);
}

TEST_F(PullManagerTest, ASourceLostMidwayIsReplacedAndWhatCameStays) {
  Add();
  for (int n = 1; n <= 2; ++n) Add().Put(1, 40 * kChunk);
  Told<void> told;
  Pull(1, {1, 2}, told);
  RunUntilReceived(10 * kChunk);
  const std::size_t first = Node(1).transfer.sent_bytes() > 0 ? 1 : 2;
  network_.Kill(Process(first));
  loop_.RunFor(seconds(60));
  ASSERT_EQ(told.What(), "ok");
  EXPECT_TRUE(Node(0).Holds(1));
  EXPECT_LE(Node(3 - first).transfer.sent_bytes(), 30 * kChunk) << "only what was missing";
  EXPECT_EQ(Node(0).pulls.received_bytes(), 40 * kChunk);
}

TEST_F(PullManagerTest, TheOnlySourceLostMidwayIsNotFoundAndGivesTheRoomBack) {
  Add();
  Add().Put(1, 40 * kChunk);
  Told<void> told;
  Pull(1, {1}, told);
  RunUntilReceived(10 * kChunk);
  network_.Kill(Process(1));
  loop_.RunFor(seconds(60));
  EXPECT_EQ(told.What(), "not_found");
  EXPECT_EQ(Node(0).store->Usage().used_bytes, 0U);
}

TEST_F(PullManagerTest, ASilentSourceIsGivenUpAndItsLateBytesHarmNobody) {
  Add(Options(40 * kChunk));
  Add().Put(1, 40 * kChunk);
  Told<void> told;
  Pull(1, {1}, told);
  RunUntilReceived(10 * kChunk);
  network_.Part("n1", "n0");
  loop_.RunFor(seconds(120));
  EXPECT_EQ(told.What(), "not_found");
  Node(0).Put(2, 40 * kChunk);
  network_.Heal();
  loop_.RunFor(seconds(60));
  EXPECT_TRUE(Node(0).Holds(2)) << "late bytes were written into another object";
}

TEST_F(PullManagerTest, WhatCanNeverFitFailsAtOnce) {
  Add(Options(10 * kChunk));
  Add().Put(1, 11 * kChunk);
  Told<void> told;
  Pull(1, {1}, told);
  loop_.RunFor(milliseconds(100));
  EXPECT_EQ(told.What(), "store_full");
  EXPECT_EQ(Node(1).transfer.sent_bytes(), 0U);
}

TEST_F(PullManagerTest, WaitsForRoomAndGoesOnWhenThereIsSome) {
  Add(Options(10 * kChunk)).Put(9, 8 * kChunk);
  Add().Put(1, 5 * kChunk);
  Told<void> told;
  Pull(1, {1}, told);
  loop_.RunFor(seconds(2));
  EXPECT_EQ(told.What(), "");
  Node(0).store->Delete(TestId(9));
  loop_.RunFor(seconds(1));
  EXPECT_EQ(told.What(), "ok");
}

/// Nodes 0 and 1 do not hear each other; node 1 has the only copy.
class UnreachableSourceTest : public PullTest {
 protected:
  UnreachableSourceTest() {
    Add();
    Add().Put(1, 10 * kChunk);
    Node(0).pulls.SetIsMember([this](const std::string& source) {
      EXPECT_EQ(source, EndpointOf(1));
      return is_member_;
    });
  }
  void Part() {
    network_.Part("n0", "n1");
    network_.Part("n1", "n0");
  }
  bool is_member_ = true;
};

TEST_F(UnreachableSourceTest, IsAskedAgainUntilItAnswers) {
  Part();
  Told<void> told;
  Pull(1, {1}, told);
  loop_.RunFor(seconds(20));
  EXPECT_EQ(told.What(), "") << "its copy is not missing: nobody knows";
  network_.Heal();
  loop_.RunFor(seconds(9));
  EXPECT_EQ(told.What(), "ok") << told.Message();
}

TEST_F(UnreachableSourceTest, GoesOnWhereItLeftOff) {
  Told<void> told;
  Pull(1, {1}, told);
  RunUntilReceived(4 * kChunk);
  Part();
  loop_.RunFor(milliseconds(500));
  network_.Heal();
  loop_.RunFor(seconds(20));
  EXPECT_EQ(told.What(), "ok") << told.Message();
  EXPECT_TRUE(Node(0).Holds(1));
}

TEST_F(UnreachableSourceTest, IsGivenUpWhenItHasLeftTheCluster) {
  Part();
  Told<void> told;
  Pull(1, {1}, told);
  loop_.RunFor(seconds(15));
  EXPECT_EQ(told.What(), "");
  is_member_ = false;
  loop_.RunFor(seconds(12));
  EXPECT_EQ(told.What(), "not_found");
  EXPECT_NE(told.Message().find(EndpointOf(1)), std::string::npos) << told.Message();
}

TEST_F(UnreachableSourceTest, IsGivenUpAfterReachMax) {
  Part();
  Told<void> told;
  Pull(1, {1}, told);
  loop_.RunFor(seconds(60));
  EXPECT_EQ(told.What(), "not_found");
  EXPECT_EQ(Node(0).pulls.pull_count(), 0U);
}

TEST_F(PullManagerTest, BytesInFlightAndCapacityAreNeverExceeded) {
  auto options = Options(64 * kChunk);
  options.pulls.bytes_in_flight_max = 20 * kChunk;
  Add(std::move(options));
  Add();
  std::vector<Told<void>> told(30);
  for (int n = 0; n < 30; ++n) {
    Node(1).Put(n, (1 + static_cast<std::uint64_t>(n) % 9) * kChunk);
    Pull(n, {1}, told[static_cast<std::size_t>(n)]);
  }
  std::uint64_t most = 0;
  const TimePoint end = loop_.Now() + seconds(30);
  while (loop_.Now() < end && loop_.RunOne()) {
    most = std::max(most, Node(0).pulls.bytes_in_flight());
    Node(0).store->CheckInvariants();
  }
  for (const auto& one : told) EXPECT_EQ(one.What(), "ok");
  EXPECT_LE(most, 20 * kChunk);
  EXPECT_GE(most, 10 * kChunk) << "several go at once";
}

TEST_F(PullManagerTest, AnObjectAboveTheBoundGoesAlone) {
  auto options = Options();
  options.pulls.bytes_in_flight_max = kChunk;
  Add(std::move(options));
  Add().Put(1, 10 * kChunk);
  Told<void> told;
  Pull(1, {1}, told);
  loop_.RunFor(seconds(1));
  EXPECT_EQ(told.What(), "ok");
}

TEST_F(PullManagerTest, APullNobodyWaitsForEnds) {
  Add();
  Add().Put(1, 100 * kChunk);
  bool abandoned = false;
  Told<void> told;
  Node(0).pulls.Pull(TestId(1), At({1}),
                     {.done = told.Callback(), .is_abandoned = [&] { return abandoned; }});
  RunUntilReceived(10 * kChunk);
  abandoned = true;
  loop_.RunFor(seconds(1));
  EXPECT_EQ(told.What(), "") << "who does not wait is not told";
  EXPECT_EQ(Node(0).pulls.pull_count(), 0U);
  EXPECT_EQ(Node(0).store->Usage().used_bytes, 0U);
  EXPECT_LT(Node(1).transfer.sent_bytes(), 20 * kChunk);
}

TEST_F(PullManagerTest, StopFailsWhoWaits) {
  Add();
  Add().Put(1, 100 * kChunk);
  Told<void> told;
  Told<void> later;
  Pull(1, {1}, told);
  RunUntilReceived(10 * kChunk);
  Node(0).pulls.Stop();
  Node(0).pulls.Stop();
  Pull(1, {1}, later);
  loop_.RunFor(seconds(1));
  EXPECT_EQ(told.What(), "cancelled");
  EXPECT_EQ(later.What(), "cancelled");
}

TEST_F(PullManagerTest, AProcessGetsWhatAnotherNodeHas) {
  Add();
  Add().Put(1, 30 * kChunk);
  const auto transport = network_.TransportFor("n0.worker", loop_);
  rpc::Client raylet(loop_, *transport, EndpointOf(0), Random(5));
  Told<std::unique_ptr<StoreClient>> attached;
  AttachStore(loop_, raylet, attached.Callback());
  loop_.RunFor(seconds(1));
  ASSERT_TRUE(attached.Ok());
  Told<Payload> got;
  (**attached.value)->Get(TestId(1), At({0, 1}), got.Callback());
  loop_.RunFor(seconds(1));
  ASSERT_EQ(got.What(), "ok");
  EXPECT_TRUE(HasTestBytes(1, (*got.value)->bytes()));
}

TEST_F(PullManagerTest, TheDeathOfTheOnlyReaderEndsThePull) {
  Add();
  Add().Put(1, 200 * kChunk);
  const auto transport = network_.TransportFor("n0.worker", loop_);
  rpc::Client raylet(loop_, *transport, EndpointOf(0), Random(5));
  Told<std::unique_ptr<StoreClient>> attached;
  AttachStore(loop_, raylet, attached.Callback());
  loop_.RunFor(seconds(1));
  ASSERT_TRUE(attached.Ok());
  (**attached.value)->Get(TestId(1), At({1}), [](const Result<Payload>&) {});
  RunUntilReceived(5 * kChunk);
  network_.Kill("n0.worker");
  loop_.RunFor(seconds(1));
  EXPECT_EQ(Node(0).pulls.pull_count(), 0U);
  EXPECT_EQ(Node(0).store->Usage().used_bytes, 0U);
}

}  // namespace
}  // namespace mobula::object_store
