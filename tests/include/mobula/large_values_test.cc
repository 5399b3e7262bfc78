// Values above a megabyte are measured before they are written.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <list>
#include <map>
#include <set>

#include "mobula/buffer.h"
#include "mobula/put.h"
#include "tests/include/mobula/fake_runtime.h"

namespace mobula::internal {
namespace {

using ::testing::AllOf;
using testing::FakeRuntime;
using ::testing::HasSubstr;

constexpr std::size_t kMebi = 1 << 20;

struct Point {
  double x = 0.5;
  int y = -7;
};

struct Hooked {
  std::vector<std::string> names;
  Buffer picture;
  template <class Archive>
  void Serialize(Archive& archive) {
    archive(names, picture);
  }
};

/// Calls `check` with a value of each way to be large, each of at least `bytes`.
template <typename Check>
void ForEachKind(std::size_t bytes, Check check) {
  check(std::string(bytes, 'a'));
  check(std::vector<char>(bytes, 'b'));
  check(std::vector<double>(bytes / 9 + 1, 1.5));
  check(std::vector<int>(bytes, 5));
  check(std::list<int>(bytes, 5));
  check(std::vector<bool>(bytes, true));
  check(std::vector<Point>(bytes / 10, Point()));
  check(std::vector<std::string>(bytes / 100, std::string(100, 'c')));
  check(std::vector<std::optional<int>>(bytes, std::nullopt));
  std::map<int, std::vector<std::string>> map;
  for (int i = 0; i < 16; ++i) map[i].assign(bytes / 160, "0123456789");
  check(map);
  check(std::vector<Hooked>{{{bytes / 10, "0123456789"}, Buffer(std::string(5000, 'd'))}, {}});
}

TEST(LargeValueTest, TheBytesAreThoseOfOneGo) {
  ForEachKind(kMebi + 1, [](const auto& value) {
    using T = std::remove_cvref_t<decltype(value)>;
    SCOPED_TRACE(TypeName<T>());
    Writer whole;
    Encode<T>(whole, value);
    const Result<SerializedValue> expected = std::move(whole).Finish();
    const Result<SerializedValue> written = EncodeValue(value);
    ASSERT_TRUE(written) << written.error().ToString();
    EXPECT_GT(written->document.size(), kMebi);
    EXPECT_EQ(written->size, expected->size);
    EXPECT_LE(written->document.capacity(), written->size) << "room was made once";
    EXPECT_TRUE(FakeRuntime::Flatten(*written).text() == FakeRuntime::Flatten(*expected).text());
  });
}

TEST(LargeValueTest, WhatCanNeverFitIsRefusedWithBothSizes) {
  FakeRuntime runtime;
  runtime.value_bytes_max = 2 * kMebi;
  ForEachKind(3 * kMebi, [](const auto& value) {
    using T = std::remove_cvref_t<decltype(value)>;
    SCOPED_TRACE(TypeName<T>());
    const Result<SerializedValue> written = EncodeValue(value);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code(), ErrorCode::kStoreFull);
    EXPECT_THAT(written.error().message(),
                AllOf(HasSubstr("the value is 3"), HasSubstr("the store holds 2 MiB")));
    EXPECT_THROW((void)Put(value), StoreFullError);
  });
}

TEST(LargeValueTest, LargeBuffersCountToo) {
  FakeRuntime runtime;
  runtime.value_bytes_max = 2 * kMebi;
  const std::vector<Buffer> buffers(3, Buffer(std::string(kMebi, 'x')));
  const Result<SerializedValue> written = EncodeValue(buffers);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message(), HasSubstr("the store holds 2 MiB"));
  EXPECT_TRUE(EncodeValue(std::vector<Buffer>(1, buffers.front())));
}

TEST(LargeValueTest, AMeasuredValueTakesNoMemory) {
  Writer writer(kWrittenAtOnceMax);
  Encode<std::vector<std::string>>(writer, std::vector<std::string>(kMebi, "0123456789"));
  EXPECT_TRUE(writer.IsMeasured());
  const Result<SerializedValue> measured = std::move(writer).Finish();
  ASSERT_TRUE(measured);
  EXPECT_EQ(measured->size, 5 + 11 * kMebi);
  EXPECT_LT(measured->document.capacity(), 100U);
}

}  // namespace
}  // namespace mobula::internal
