#include "mobula/remote.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "mobula/get.h"
#include "mobula/put.h"
#include "mobula/serialization.h"
#include "tests/include/mobula/fake_runtime.h"
#include "tests/include/mobula/remote_functions.h"

namespace mobula {
namespace {

using ::testing::ElementsAre;
using testing::FakeRuntime;
using ::testing::HasSubstr;

struct Point {
  int x = 0;
  std::string name;
  friend bool operator==(const Point&, const Point&) = default;
};

int g_calls = 0;

int Square(int x) { return x * x; }
void Count() { ++g_calls; }
std::string Join(std::string a, const std::string& b, std::string&& c) {
  return a + b + std::move(c);
}
std::unique_ptr<Point> Move(std::unique_ptr<Point> point) {
  point->x += 1;
  return point;
}
int Twice(int x) noexcept { return 2 * x; }
double Twice(double x) { return 2 * x; }
int Throws(int x) { throw std::out_of_range("x is " + std::to_string(x)); }
int ThrowsInt() { throw 42; }
struct NotStandard {};
int ThrowsStruct() { throw NotStandard(); }
int SumRefs(const std::vector<ObjectRef<int>>& refs) {
  int sum = 0;
  for (const int x : Get(refs)) sum += x;
  return sum;
}
ObjectRef<int> Nested(int x) { return Remote<Square>(x); }
struct Adder {
  int operator()(int a, int b) const { return a + b; }
};
struct Linked {
  std::unique_ptr<Linked> next;
};
Linked TooDeep() {
  Linked head;
  for (int i = 0; i < 100; ++i) {
    auto next = std::make_unique<Linked>(std::move(head));
    head = Linked{.next = std::move(next)};
  }
  return head;
}
struct ArmedHook {
  int value = 1;
  template <class A>
  void Serialize(A& archive) {
    if (A::kReading) throw std::domain_error("cannot be read");
    archive(value);
  }
};
int TakesArmed(const ArmedHook&) { return 0; }

class RemoteTest : public ::testing::Test {
 protected:
  FakeRuntime runtime_;
};

TEST_F(RemoteTest, RunsAFunctionAndGivesItsResult) { EXPECT_EQ(Get(Remote<Square>(3)), 9); }

TEST_F(RemoteTest, TakesARefInPlaceOfAValue) {
  const ObjectRef<int> nine = Remote<Square>(3);
  EXPECT_EQ(Get(Remote<Square>(nine)), 81);
  EXPECT_EQ(Get(Remote<Square>(Put(5))), 25);
}

TEST_F(RemoteTest, PassesByValueByReferenceAndMoved) {
  EXPECT_EQ(Get(Remote<Join>("a", std::string("b"), std::string("c"))), "abc");
}

TEST_F(RemoteTest, PassesMoveOnlyValues) {
  auto result = Get(Remote<Move>(std::make_unique<Point>(Point{1, "p"})));
  EXPECT_EQ(*result, (Point{2, "p"}));
}

TEST_F(RemoteTest, ConvertsArgumentsAsACallDoes) { EXPECT_EQ(Get(Remote<Square>('\3')), 9); }

TEST_F(RemoteTest, VoidResultsCanBeWaitedFor) {
  g_calls = 0;
  const ObjectRef<void> done = Remote<Count>();
  Get(done);
  Get(std::vector<ObjectRef<void>>{done, done});
  EXPECT_EQ(g_calls, 1);
}

TEST_F(RemoteTest, CallsLambdasAndFunctionObjects) {
  EXPECT_EQ(Get(Remote<[](int x) { return x + 1; }>(3)), 4);
  EXPECT_EQ(Get(Remote<Adder{}>(3, 4)), 7);
}

TEST_F(RemoteTest, ChoosesAmongOverloads) {
  EXPECT_EQ(Get(Remote<Overload<int(int)>(Twice)>(3)), 6);
  EXPECT_EQ(Get(Remote<Overload<double(double)>(Twice)>(1.5)), 3.0);
}

TEST_F(RemoteTest, RefsInsideValuesBecomeHandlesOfTheReader) {
  const std::vector<ObjectRef<int>> refs = {Put(1), Put(2), Put(3)};
  EXPECT_EQ(Get(Remote<SumRefs>(refs)), 6);
  EXPECT_EQ(runtime_.borrowed, 3U);
  EXPECT_EQ(runtime_.live(), 3U);
}

TEST_F(RemoteTest, ATaskMayReturnARef) {
  const ObjectRef<ObjectRef<int>> outer = Remote<Nested>(4);
  EXPECT_EQ(Get(Get(outer)), 16);
}

TEST_F(RemoteTest, CopiesOfARefShareOneHold) {
  ObjectRef<int> a = Put(1);
  const ObjectRef<int> b = a;
  EXPECT_EQ(runtime_.live(), 1U);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.id(), b.id());
  a = ObjectRef<int>();
  EXPECT_EQ(runtime_.live(), 1U);
  EXPECT_TRUE(a.IsNull());
  EXPECT_TRUE(a.id().IsNil());
}

TEST_F(RemoteTest, AThrownExceptionComesOutOfGetWithItsType) {
  const auto ref = Remote<Throws>(7);
  try {
    Get(ref);
    FAIL() << "no exception";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type_name(), "std::out_of_range");
    EXPECT_EQ(error.message(), "x is 7");
    EXPECT_THAT(error.task_name(), HasSubstr("Throws"));
    EXPECT_THAT(error.what(), HasSubstr("Throws failed: std::out_of_range: x is 7"));
    EXPECT_EQ(error.code(), ErrorCode::kTaskFailed);
  }
}

TEST_F(RemoteTest, AThrownNonExceptionIsNamedToo) {
  try {
    Get(Remote<ThrowsInt>());
    FAIL() << "no exception";
  } catch (const TaskError& error) {
    EXPECT_EQ(error.type_name(), "int");
    EXPECT_EQ(error.message(), "threw something of type int, which is no std::exception");
  }
  try {
    Get(Remote<ThrowsStruct>());
    FAIL() << "no exception";
  } catch (const TaskError& error) {
    EXPECT_THAT(error.type_name(), HasSubstr("NotStandard"));
  }
}

TEST_F(RemoteTest, AResultThatCannotBeWrittenIsAnError) {
  EXPECT_THROW(Get(Remote<TooDeep>()), InvalidArgumentError);
}

TEST_F(RemoteTest, AThrowingHookIsATaskFailure) {
  EXPECT_THROW(Get(Remote<TakesArmed>(ArmedHook())), TaskError);
}

TEST_F(RemoteTest, OptionsReachTheRuntime) {
  const std::string kNode = ToHex(std::string(NodeId::kSize, 'a'));
  const auto big = Remote<Square>.With({.num_cpus = 2,
                                        .num_gpus = 0.5,
                                        .memory = 1e9,
                                        .resources = {{"tape", 1}},
                                        .max_retries = 5,
                                        .retry_exceptions = true,
                                        .name = "x",
                                        .scheduling = NodeAffinity{kNode, true}});
  EXPECT_EQ(Get(big(3)), 9);
  const internal::TaskOptions& seen = runtime_.last_options;
  EXPECT_EQ(seen.resources, (std::map<std::string, double>{
                                {"CPU", 2}, {"GPU", 0.5}, {"memory", 1e9}, {"tape", 1}}));
  EXPECT_EQ(seen.max_retries, 5);
  EXPECT_TRUE(seen.retry_exceptions);
  EXPECT_EQ(seen.name, "x");
  EXPECT_EQ(seen.strategy, SchedulingStrategy(OnNode{
                               NodeId::FromBinaryOrNil(std::string(NodeId::kSize, 'a')), true}));
  Remote<Square>.With({.scheduling = Spread{}})(3);
  EXPECT_EQ(runtime_.last_options.strategy, SchedulingStrategy(Spread{}));
  Remote<Square>(3);
  EXPECT_EQ(runtime_.last_options.strategy, SchedulingStrategy());
}

TEST_F(RemoteTest, ATaskThatSaysNothingWantsOneCpu) {
  Remote<Square>(3);
  EXPECT_EQ(runtime_.last_options.resources, (std::map<std::string, double>{{"CPU", 1}}));
  EXPECT_EQ(runtime_.last_options.max_retries, 3);
  Remote<Square>.With({.num_cpus = 0})(3);
  EXPECT_TRUE(runtime_.last_options.resources.empty());
}

TEST_F(RemoteTest, WrongOptionsAreRefused) {
  EXPECT_THROW((void)Remote<Square>.With({.num_cpus = -1}), InvalidArgumentError);
  EXPECT_THROW((void)Remote<Square>.With({.resources = {{"CPU", 1}}}), InvalidArgumentError);
  EXPECT_THROW((void)Remote<Square>.With({.resources = {{"a", 0. / 0.}}}), InvalidArgumentError);
  EXPECT_THROW((void)Remote<Square>.With({.max_retries = -2}), InvalidArgumentError);
}

TEST_F(RemoteTest, ATextThatIsNoNodeIdIsRefusedWhereItIsWritten) {
  for (const std::string text : {"", "xyz", "ab12", "3f2a3f2a3f2a3f2a3f2a3f2a3f2a3fzz"}) {
    try {
      (void)Remote<Square>.With({.scheduling = NodeAffinity{text}});
      ADD_FAILURE() << text;
    } catch (const InvalidArgumentError& error) {
      EXPECT_THAT(error.what(), HasSubstr("'" + text + "' is not a node id of 32 hex digits"));
    }
  }
}

TEST_F(RemoteTest, ANullRefIsRefusedWhereItIsUsed) {
  const ObjectRef<int> null;
  EXPECT_THROW(Remote<Square>(null), InvalidArgumentError);
  EXPECT_THROW(Get(null), InvalidArgumentError);
  EXPECT_THROW((void)Wait(std::vector{null}), InvalidArgumentError);
}

TEST_F(RemoteTest, GetOfManyKeepsTheOrder) {
  std::vector<ObjectRef<int>> refs;
  for (int i = 0; i < 4; ++i) refs.push_back(Remote<Square>(i));
  EXPECT_THAT(Get(refs), ElementsAre(0, 1, 4, 9));
  EXPECT_TRUE(Get(std::vector<ObjectRef<int>>()).empty());
}

TEST_F(RemoteTest, GetWithATimeoutThrowsWhenItIsOver) {
  const auto ref = Put(1);
  EXPECT_EQ(Get(ref, std::chrono::seconds(1)), 1);
  runtime_.slow.insert(ref.id());
  EXPECT_THROW(Get(ref, std::chrono::seconds(1)), GetTimeoutError);
  EXPECT_THROW(Get(std::vector{ref}, std::chrono::milliseconds(1)), GetTimeoutError);
}

TEST_F(RemoteTest, WaitParts) {
  const std::vector<ObjectRef<int>> refs = {Put(1), Put(2), Put(3)};
  runtime_.slow.insert(refs[0].id());
  const auto [ready, pending] = Wait(refs, 2, std::chrono::seconds(1));
  EXPECT_THAT(ready, ElementsAre(refs[1], refs[2]));
  EXPECT_THAT(pending, ElementsAre(refs[0]));
  EXPECT_THROW((void)Wait(refs, 0), InvalidArgumentError);
  EXPECT_THROW((void)Wait(refs, 4), InvalidArgumentError);
}

TEST_F(RemoteTest, AStoredBufferIsReadWhereItLies) {
  const ObjectRef<Buffer> ref = Put(Buffer(std::string(10'000, 'b')));
  EXPECT_EQ(Get(ref).data(), Get(ref).data());
  EXPECT_EQ(Get(ref).size(), 10'000U);
}

TEST_F(RemoteTest, AWrongResultTypeIsACorruptError) {
  const ObjectRef<std::string> wrong(Put(7).reference());
  EXPECT_THROW(Get(wrong), CorruptError);
}

TEST(RemoteWithoutInitTest, SaysThatInitIsMissing) {
  EXPECT_THROW(Remote<Square>(3), NotInitializedError);
  EXPECT_THROW((void)Put(3), NotInitializedError);
}

TEST(RemoteConceptTest, KnowsWhatCanBeCalled) {
  static_assert(RemotelyCallable<Square, int>);
  static_assert(RemotelyCallable<Square, ObjectRef<int>&>);
  static_assert(!RemotelyCallable<Square, std::string>);
  static_assert(!RemotelyCallable<Square, ObjectRef<double>>);
  static_assert(!RemotelyCallable<Square>);
  static_assert(!RemotelyCallable<Square, int, int>);
  static_assert(RemotelyCallable<SumRefs, ObjectRef<std::vector<ObjectRef<int>>>>);
}

}  // namespace
}  // namespace mobula
