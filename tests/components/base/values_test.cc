// The small values of base: ids, resources, chance, results, payloads.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <unordered_set>

#include "components/base/ids.h"
#include "components/base/payload.h"
#include "components/base/random.h"
#include "components/base/resources.h"
#include "components/base/result.h"

namespace mobula {
namespace {

TEST(IdTest, IdsOfDifferentThingsAreDifferentTypes) {
  static_assert(!std::is_convertible_v<NodeId, WorkerId>);
  static_assert(!std::is_convertible_v<std::string, NodeId>);
  EXPECT_TRUE(NodeId().IsNil());
}

TEST(IdTest, BinaryGoesRoundAndAWrongLengthIsAnError) {
  Random random(1);
  const auto id = random.NewId<NodeId>();
  EXPECT_FALSE(id.IsNil());
  EXPECT_EQ(*NodeId::FromBinary(id.Binary()), id);
  EXPECT_EQ(NodeId::FromBinary("short").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(NodeId::FromBinaryOrNil("short").IsNil());
  EXPECT_EQ(id.Hex().size(), 32U);
  EXPECT_EQ(id.Short(), id.Hex().substr(0, 8));
}

TEST(IdTest, HexGoesRoundInEitherCaseAndRejectsWhatIsNotHex) {
  EXPECT_EQ(ToHex(std::string("\x00\x7f\xff", 3)), "007fff");
  EXPECT_EQ(*FromHex("007FfF"), std::string("\x00\x7f\xff", 3));
  EXPECT_EQ(FromHex("abc").error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(FromHex("zz").error().message(), "'zz' is not hex");
}

TEST(IdTest, AnObjectIdNamesItsTaskAndWhetherItWasPut) {
  const auto task = Random(2).NewId<TaskId>();
  const ObjectId result = ObjectId::OfTask(task, 3);
  const ObjectId put = ObjectId::OfPut(task, 3);
  EXPECT_EQ(result.Task(), task);
  EXPECT_EQ(put.Task(), task);
  EXPECT_FALSE(result.IsPut());
  EXPECT_TRUE(put.IsPut());
  EXPECT_NE(result, put);
  EXPECT_EQ(result, ObjectId::OfTask(task, 3));
}

TEST(IdTest, TaskIdsAreDerivedSoThatARerunNamesTheSameChildren) {
  const TaskId driver = DriverTaskId(Random(3).NewId<JobId>(), Random(4).NewId<WorkerId>());
  std::set<TaskId> children;
  for (std::uint64_t i = 0; i < 1000; ++i) children.insert(ChildTaskId(driver, i));
  EXPECT_EQ(children.size(), 1000U);
  EXPECT_EQ(ChildTaskId(driver, 7), ChildTaskId(driver, 7));
  EXPECT_EQ(ChildTaskId(driver, 0).Hex().size(), 32U);
}

TEST(IdTest, ResultsOfOneTaskHashApart) {
  const auto task = Random(5).NewId<TaskId>();
  std::unordered_set<std::size_t> hashes;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    hashes.insert(std::hash<ObjectId>()(ObjectId::OfTask(task, i)));
  }
  EXPECT_EQ(hashes.size(), 1000U);
}

TEST(AmountTest, ATenthTakenTenTimesIsOne) {
  Amount rest = Amount::FromDouble(1);
  for (int i = 0; i < 10; ++i) rest = rest - Amount::FromDouble(0.1);
  EXPECT_EQ(rest, Amount());
}

TEST(AmountTest, RoundsToUnitsAndPrintsWithoutTrailingZeros) {
  EXPECT_EQ(Amount::FromDouble(0.00004).units(), 0);
  EXPECT_EQ(Amount::FromDouble(0.00006).units(), 1);
  EXPECT_EQ(Amount::FromDouble(2).ToString(), "2");
  EXPECT_EQ(Amount::FromDouble(0.5).ToString(), "0.5");
  EXPECT_EQ(Amount::FromDouble(1e300), Amount::FromDouble(9e14));
}

TEST(ResourceSetTest, CoversComparesEveryNameAndNamesTheShortage) {
  const ResourceSet node({{"CPU", 4}, {"GPU", 1}});
  EXPECT_TRUE(node.Covers({{"CPU", 4}}));
  EXPECT_TRUE(node.Covers({}));
  EXPECT_FALSE(node.Covers({{"CPU", 4.0001}}));
  EXPECT_EQ(node.FirstShortage({{"CPU", 1}, {"tape", 1}}), "tape");
  EXPECT_EQ(node.FirstShortage({{"CPU", 1}}), "");
}

TEST(ResourceSetTest, AddAndSubtractAreInverseAndZeroRemovesTheName) {
  ResourceSet set({{"CPU", 2}});
  set.Subtract({{"CPU", 2}, {"tape", 0.5}});
  EXPECT_EQ(set.ToString(), "{tape: -0.5}") << "may go below zero";
  set.Add({{"CPU", 2}, {"tape", 0.5}});
  EXPECT_EQ(set, ResourceSet({{"CPU", 2}}));
  EXPECT_EQ(set.ToString(), "{CPU: 2}");
  set.Set("CPU", Amount());
  EXPECT_TRUE(set.IsEmpty());
}

TEST(RandomTest, ASeedMeansTheSameStreamEverywhere) {
  Random random(42);
  EXPECT_EQ(random.Next(), 1546998764402558742U);
  EXPECT_EQ(random.Next(), 6990951692964543102U);
  EXPECT_EQ(random.seed(), 42U);
}

TEST(RandomTest, ForkedStreamsDependOnSeedAndNameNotOnDraws) {
  Random a(7);
  const std::uint64_t before = a.Fork("network").Next();
  (void)a.Next();
  EXPECT_EQ(a.Fork("network").Next(), before);
  EXPECT_NE(a.Fork("disk").Next(), before);
  EXPECT_NE(Random(8).Fork("network").Next(), before);
}

TEST(RandomTest, BelowStaysBelowAndHitsEverything) {
  Random random(9);
  std::map<std::uint64_t, int> counts;
  for (int i = 0; i < 7000; ++i) ++counts[random.Below(7)];
  EXPECT_EQ(counts.size(), 7U);
  EXPECT_EQ(counts.rbegin()->first, 6U);
  for (const auto& [value, count] : counts) EXPECT_GT(count, 700) << value;
  EXPECT_EQ(random.Below(1), 0U);
  EXPECT_DEATH((void)random.Below(0), "above zero");
}

TEST(RandomTest, UnitAndChanceStayInTheirBounds) {
  Random random(10);
  for (int i = 0; i < 1000; ++i) {
    const double unit = random.Unit();
    EXPECT_GE(unit, 0);
    EXPECT_LT(unit, 1);
  }
  EXPECT_FALSE(random.Chance(0));
  EXPECT_TRUE(random.Chance(1));
}

TEST(RandomTest, EntropyDiffers) { EXPECT_NE(Random::EntropySeed(), Random::EntropySeed()); }

TEST(ErrorTest, EveryCodeHasItsOwnName) {
  std::set<std::string_view> names;
  for (int code = 1; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    names.insert(ErrorCodeName(static_cast<ErrorCode>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(ErrorCode::kInternal));
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(ErrorCodeName(static_cast<ErrorCode>(200)), "unknown");
}

TEST(ErrorTest, ContextPrefixesAndKeepsCodeAndOrigin) {
  RemoteFailure remote;
  remote.task_name = "Square";
  const Error error =
      Error(ErrorCode::kTaskFailed, "boom").WithRemote(remote).Context("getting 3f2a");
  EXPECT_EQ(error.ToString(), "task_failed: getting 3f2a: boom");
  ASSERT_NE(error.remote(), nullptr);
  EXPECT_EQ(error.remote()->task_name, "Square");
}

TEST(PayloadTest, SlicesAndFrozenWindowsShareTheMemory) {
  const Payload whole = Payload::FromString("hello world");
  const Payload part = whole.Slice(6, 5);
  EXPECT_EQ(part.text(), "world");
  EXPECT_EQ(part.text().data(), whole.text().data() + 6);
  EXPECT_EQ(part.keep(), whole.keep());
  const WritablePayload window = WritablePayload::Allocate(2);
  window.bytes[0] = window.bytes[1] = std::byte{'x'};
  EXPECT_EQ(window.Freeze().text(), "xx");
  EXPECT_TRUE(Payload().empty());
}

}  // namespace
}  // namespace mobula
