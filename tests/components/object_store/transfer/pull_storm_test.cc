#include "tests/components/object_store/transfer/pull_fixture.h"

namespace mobula::object_store {
namespace {

constexpr std::size_t kNodes = 4;
constexpr int kObjects = 12;

/// Many nodes pull from one another while connections break and memory is short.
class PullStormTest : public PullTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  PullStormTest() : PullTest(GetParam()), random_(loop_.random().Fork("storm")) {}

  void PullSomething(std::size_t n) {
    const int object = static_cast<int>(random_.Below(kObjects));
    const bool impatient = random_.Chance(0.1);
    const TimePoint until = loop_.Now() + milliseconds(2);
    ++started_;
    PullWaiter waiter;
    waiter.done = [this, n, object](const Result<void>& result) {
      ++ended_;
      if (!result) return;
      ++succeeded_;
      EXPECT_TRUE(Node(n).Holds(object)) << "object " << object << " on node " << n;
    };
    waiter.is_abandoned = [this, impatient, until, counted = false]() mutable {
      const bool gone = impatient && loop_.Now() > until;
      if (gone && !std::exchange(counted, true)) ++ended_;
      return gone;
    };
    Node(n).pulls.Pull(TestId(object), At({0, 1, 2, 3}), std::move(waiter));
  }

  Random random_;
  int started_ = 0;
  int ended_ = 0;
  int succeeded_ = 0;
};

TEST_P(PullStormTest, EveryPullEndsAndEveryCopyIsWhole) {
  for (std::size_t n = 0; n < kNodes; ++n) {
    auto options = Options(60 * kChunk);
    options.pulls.bytes_in_flight_max = 25 * kChunk;
    Add(std::move(options));
  }
  for (int object = 0; object < kObjects; ++object) {
    Node(static_cast<std::size_t>(object) % kNodes).Put(object, 1 + random_.Below(10 * kChunk));
  }
  for (int step = 0; step < 300; ++step) {
    const std::size_t n = random_.Below(kNodes);
    if (random_.Chance(0.1)) {
      network_.Disconnect(Process(n), Process(random_.Below(kNodes)));
    } else {
      PullSomething(n);
    }
    loop_.RunFor(microseconds(random_.Below(2000)));
    for (const auto& node : nodes_) node->store->CheckInvariants();
  }
  loop_.RunFor(seconds(300));
  EXPECT_EQ(ended_, started_);
  EXPECT_GT(succeeded_, started_ / 2);
  for (const auto& node : nodes_) {
    EXPECT_EQ(node->pulls.pull_count(), 0U);
    EXPECT_EQ(node->pulls.bytes_in_flight(), 0U);
    const StoreUsage usage = node->store->Usage();
    EXPECT_EQ(usage.used_bytes, usage.primary_bytes + usage.evictable_bytes) << "nothing is pinned";
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PullStormTest, testing::Range<std::uint64_t>(1, 16));

}  // namespace
}  // namespace mobula::object_store
