// What does not come from a `Writer`: every way in which bytes can lie.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "components/base/random.h"
#include "mobula/object_ref.h"
#include "mobula/serialization.h"
#include "tests/include/mobula/fake_runtime.h"

namespace mobula::internal {
namespace {

using mobula::testing::FakeRuntime;
using ::testing::HasSubstr;

struct Point {
  int x = 0;
  std::string name;
};
using Mix = std::variant<int, std::string, std::vector<std::map<std::string, double>>, Buffer,
                         std::optional<Point>, std::set<std::int64_t>, ObjectRef<int>,
                         std::vector<std::array<std::uint8_t, 3>>>;

template <typename T>
std::string ErrorOf(std::string_view hex, Runtime* runtime = nullptr) {
  const auto value = DecodeValue<T>(Payload::FromString(*FromHex(hex)), runtime);
  if (value) return "no error";
  EXPECT_EQ(value.error().code(), ErrorCode::kCorrupt);
  return value.error().message();
}

TEST(MalformedTest, EveryLieIsNamed) {
  struct Case {
    std::string found;
    const char* expected;
  };
  const Case cases[] = {
      {ErrorOf<int>(""), "expected integer, found the end at byte 0"},
      {ErrorOf<int>("a161"), "expected integer, found string at byte 0"},
      {ErrorOf<int>("c1"), "expected integer, found unused code at byte 0"},
      {ErrorOf<int>("cd01"), "expected 2 more bytes, found 1"},
      {ErrorOf<int>("ce80000000"), "expected int, found the number 2147483648 at byte 0"},
      {ErrorOf<int>("0102"), "1 bytes are left over"},
      {ErrorOf<unsigned>("ff"), "found the number -1"},
      {ErrorOf<std::int8_t>("d1ff7f"), "found the number -129"},
      {ErrorOf<std::int64_t>("cfffffffffffffffff"), "found the number 18446744073709551615"},
      {ErrorOf<bool>("01"), "expected boolean, found integer"},
      {ErrorOf<double>("01"), "expected float, found integer"},
      {ErrorOf<double>("cb0000"), "expected 8 more bytes, found 2"},
      {ErrorOf<std::monostate>("01"), "expected nil, found integer"},
      {ErrorOf<std::string>("c40161"), "expected string, found binary"},
      {ErrorOf<std::string>("a361"), "expected 3 more bytes, found 1"},
      {ErrorOf<std::string>("dbffffffff61"), "expected 4294967295 more bytes, found 1"},
      {ErrorOf<std::string>("db0000"), "expected 4 more bytes, found 2"},
      {ErrorOf<std::vector<char>>("c6ffffffff"), "expected 4294967295 more bytes"},
      {ErrorOf<std::vector<int>>("ddffffffff01"), "a container of 4294967295 elements in 1 bytes"},
      {ErrorOf<std::vector<Point>>("dc000201"), "a container of 2 elements in 1 bytes"},
      {ErrorOf<std::vector<int>>("8101"), "expected array, found map"},
      {ErrorOf<std::map<int, int>>("dfffffffff01"), "a container of 4294967295 elements"},
      {ErrorOf<std::map<int, int>>("8201010102"), "an element occurs twice"},
      {ErrorOf<std::set<int>>("920101"), "an element occurs twice"},
      {ErrorOf<std::array<int, 2>>("9101"), "expected the 2 values of std::array<int, 2>, found 1"},
      {ErrorOf<std::array<char, 2>>("c403616263"), "a byte array of another length"},
      {ErrorOf<std::pair<int, int>>("93010203"), "expected the 2 values"},
      {ErrorOf<Point>("9101"), "expected the 2 values of"},
      {ErrorOf<Point>("920102"), "expected string, found integer at byte 2"},
      {ErrorOf<std::variant<int, bool>>("920201"), "no such alternative"},
      {ErrorOf<std::variant<int, bool>>("92ff01"), "found the number -1"},
      {ErrorOf<std::variant<int, bool>>("9100"), "expected the 2 values"},
      {ErrorOf<std::optional<std::monostate>>("90"), "expected the 1 values"},
      {ErrorOf<Buffer>("a161"), "expected binary, found string"},
      {ErrorOf<Buffer>("d801" + std::string(32, '0')), "found extension 1"},
      {ErrorOf<Buffer>("d702" + std::string(16, '0')), "a buffer is named by 16 bytes"},
      {ErrorOf<Buffer>("d802" + std::string(32, '0')), "a buffer of 0 bytes at offset 0"},
      {ErrorOf<Buffer>("d80200000000000000400000000000000001"), "a buffer of 1 bytes at offset 64"},
      {ErrorOf<Buffer>("d802ffffffffffffffc0ffffffffffffffff"), "in an object of 18"},
      {ErrorOf<Array<int>>("c403616263"), "no whole number of array elements"},
      {ErrorOf<ObjectRef<int>>("c70101ff"), "an ObjectRef is cut short"},
      {ErrorOf<ObjectRef<int>>("c71501" + std::string(42, '0')), "no runtime to hold it"},
      {ErrorOf<ObjectRef<int>>("c71501" + std::string(40, '0') + "01"), "names owner 1 of 0"},
      {ErrorOf<ObjectRef<int>>("c71501" + std::string(40, '0') + "80"), "is cut short"},
      {ErrorOf<ObjectRef<int>>("c0"), "expected an ObjectRef, found nil"},
  };
  for (const Case& one : cases) EXPECT_THAT(one.found, HasSubstr(one.expected));
}

struct Nest {
  std::vector<Nest> inner;
};

TEST(MalformedTest, NestingIsBounded) {
  std::string hex;
  for (int i = 0; i < 31; ++i) hex += "9191";
  EXPECT_EQ(ErrorOf<Nest>(hex + "9190"), "no error");
  EXPECT_THAT(ErrorOf<Nest>(hex + "91919190"), HasSubstr("nested deeper than 64"));
}

struct WithBuffers {
  Buffer a;
  Buffer b;
};

TEST(MalformedTest, BuffersFollowTheDocumentInOrder) {
  const auto value =
      EncodeValue(WithBuffers{Buffer(std::string(5000, 'a')), Buffer(std::string(6000, 'b'))});
  std::string bytes(FakeRuntime::Flatten(*value).text());
  const auto read = [](const std::string& text) {
    return DecodeValue<WithBuffers>(Payload::FromString(text), nullptr);
  };
  ASSERT_TRUE(read(bytes));
  EXPECT_FALSE(read(bytes + "x"));
  EXPECT_FALSE(read(bytes.substr(0, bytes.size() - 1)));
  std::string swapped = bytes;  // the two places, exchanged
  std::swap_ranges(swapped.begin() + 3, swapped.begin() + 19, swapped.begin() + 21);
  EXPECT_FALSE(read(swapped));
  std::string twice = bytes;  // the first one, twice
  std::copy(bytes.begin() + 3, bytes.begin() + 19, twice.begin() + 21);
  EXPECT_FALSE(read(twice));
}

TEST(MalformedTest, RandomBytesNeverDoHarm) {
  FakeRuntime runtime;
  Random random(7);
  std::size_t accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random.Below(40), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Next());
    if (!bytes.empty()) bytes[0] = '\x92';
    if (bytes.size() > 1) bytes[1] = static_cast<char>(random.Below(8));
    if (DecodeValue<Mix>(Payload::FromString(bytes), &runtime)) ++accepted;
  }
  EXPECT_GT(accepted, 0U);
}

TEST(MalformedTest, ChangedBytesNeverDoHarm) {
  FakeRuntime runtime;
  Random random(8);
  const std::vector<Mix> values = {1,
                                   "text",
                                   std::vector<std::map<std::string, double>>{{{"a", 1.5}}, {}},
                                   Buffer(std::string(5000, 'x')),
                                   std::optional<Point>(Point{1, "p"}),
                                   std::set<std::int64_t>{1, -5, 1LL << 40},
                                   ObjectRef<int>(runtime.Handle(runtime.NewId()))};
  const std::string good(FakeRuntime::Flatten(*EncodeValue(values)).text());
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (std::uint64_t n = random.Below(4) + 1; n > 0; --n) {
      bytes[random.Below(200)] = static_cast<char>(random.Next());
    }
    if (random.Chance(0.3)) bytes.resize(random.Below(bytes.size()));
    const auto value = DecodeValue<std::vector<Mix>>(Payload::FromString(bytes), &runtime);
    if (value) {
      EXPECT_TRUE(EncodeValue(*value));
    }
  }
}

}  // namespace
}  // namespace mobula::internal
