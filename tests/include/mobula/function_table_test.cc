#include "mobula/internal/function_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "mobula/get.h"
#include "mobula/internal/invocation.h"
#include "tests/include/mobula/fake_runtime.h"
#include "tests/include/mobula/remote_functions.h"

namespace mobula::internal {
namespace {

using mobula::testing::FakeRuntime;
using ::testing::HasSubstr;

int Add(int a, const std::string& b) { return a + static_cast<int>(b.size()); }

const FunctionEntry& AddEntry() { return Recorded<Add>::entry; }

template <typename T>
Payload Encoded(const T& value) {
  return FakeRuntime::Flatten(*EncodeValue(value));
}

TEST(FunctionTableTest, FindsARecordedFunctionByItsKey) {
  const auto found = FindFunction(AddEntry().key());
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, &AddEntry());
  EXPECT_EQ(AddEntry().key().module, "");
  EXPECT_THAT(AddEntry().key().name, HasSubstr("Add"));
}

TEST(FunctionTableTest, FunctionsOfOneNameInTwoFilesAreTwo) {
  FakeRuntime runtime;
  EXPECT_EQ(Get(mobula::testing::CallHiddenOfA(1)), 11);
  const FunctionKey a = runtime.last_function;
  EXPECT_EQ(Get(mobula::testing::CallHiddenOfB(1)), 21);
  const FunctionKey b = runtime.last_function;
  EXPECT_EQ(a.name, b.name);
  EXPECT_NE(a.offset, b.offset);
}

TEST(FunctionTableTest, LambdasInTwoFilesAreTwo) {
  FakeRuntime runtime;
  EXPECT_EQ(Get(mobula::testing::CallLambdaOfA(2)), 20);
  EXPECT_EQ(Get(mobula::testing::CallLambdaOfB(2)), 40);
}

TEST(FunctionTableTest, AnInlineFunctionOfAHeaderIsOne) {
  FakeRuntime runtime;
  EXPECT_EQ(Get(mobula::testing::CallShared(1)), 1001);
  const FunctionKey here = runtime.last_function;
  EXPECT_EQ(Get(mobula::testing::CallSharedOfA(1)), 1001);
  EXPECT_EQ(here.offset, runtime.last_function.offset);
}

TEST(FunctionTableTest, AnUnknownKeyIsAVersionMismatchThatNamesTheFunction) {
  FunctionKey key = AddEntry().key();
  key.offset += 16;
  EXPECT_THAT(
      FindFunction(key).error().ToString(),
      ::testing::AllOf(HasSubstr("version_mismatch"), HasSubstr("Add"), HasSubstr("elsewhere")));
  key = AddEntry().key();
  key.name = "Other";
  EXPECT_EQ(FindFunction(key).error().code(), ErrorCode::kVersionMismatch);
  key = AddEntry().key();
  key.module = "libother.so";
  EXPECT_THAT(FindFunction(key).error().message(), HasSubstr("libother.so+0x"));
}

TEST(InvocationTest, RunsOnEncodedArguments) {
  FakeRuntime runtime;
  const Payload arguments[] = {Encoded(40), Encoded(std::string("ab"))};
  const auto result = Invoke(AddEntry(), runtime, arguments);
  ASSERT_TRUE(result);
  EXPECT_EQ(DecodeValue<int>(FakeRuntime::Flatten(*result), nullptr).value(), 42);
}

TEST(InvocationTest, AWrongArgumentIsNamedByPositionAndType) {
  FakeRuntime runtime;
  const Payload arguments[] = {Encoded(40), Encoded(7)};
  const Error error = Invoke(AddEntry(), runtime, arguments).error();
  EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
  EXPECT_THAT(error.message(), HasSubstr("Add: argument 2 should be a std::string: expected "
                                         "string, found integer at byte 0"));
}

TEST(InvocationTest, AWrongNumberOfArgumentsIsAnError) {
  FakeRuntime runtime;
  const Payload arguments[] = {Encoded(40)};
  EXPECT_THAT(Invoke(AddEntry(), runtime, arguments).error().message(),
              HasSubstr("takes 2 arguments, was given 1"));
}

}  // namespace
}  // namespace mobula::internal
