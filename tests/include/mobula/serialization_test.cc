#include "mobula/serialization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "components/base/ids.h"
#include "mobula/object_ref.h"
#include "tests/include/mobula/fake_runtime.h"

namespace mobula::internal {

// A type that others made: the hook stands beside it, in a namespace where it is found.
struct Foreign {
  explicit Foreign(int start = 0) : value(start) {}
  int value;
};
template <class Archive>
static void Serialize(Archive& archive, Foreign& foreign) {
  archive(foreign.value);
}

namespace {

using mobula::testing::FakeRuntime;
using ::testing::HasSubstr;

enum class Color : std::uint8_t { kRed = 1, kBlue = 200 };
struct Empty {
  friend bool operator==(const Empty&, const Empty&) = default;
};
struct Inner {
  int a = 0;
  std::string b;
  friend bool operator==(const Inner&, const Inner&) = default;
};
struct Outer {
  Inner inner;
  std::vector<Inner> list;
  std::optional<double> maybe;
  std::array<int, 3> fixed{};
  std::map<std::string, Inner> by_name;
  Color color = Color::kRed;
  friend bool operator==(const Outer&, const Outer&) = default;
};
struct Tree {
  int value = 0;
  std::vector<Tree> children;
  friend bool operator==(const Tree&, const Tree&) = default;
};
class Account {
 public:
  Account() = default;
  Account(std::string name, int cents) : name_(std::move(name)), cents_(cents) {}
  template <class Archive>
  void Serialize(Archive& archive) {
    archive(name_);
    archive(cents_);
    if (Archive::kReading) was_read_ = true;
    if constexpr (Archive::kReading) {
      if (cents_ < 0) archive.Fail("an account below zero");
    }
  }
  [[nodiscard]] bool was_read() const { return was_read_; }
  friend bool operator==(const Account& a, const Account& b) {
    return a.name_ == b.name_ && a.cents_ == b.cents_;
  }

 private:
  std::string name_;
  int cents_ = 0;
  bool was_read_ = false;
};
struct Chain {
  int depth = 0;
  std::unique_ptr<Chain> next;
  template <class Archive>
  void Serialize(Archive& archive) {
    archive(depth, next);
  }
};

template <typename T>
std::string Bytes(const T& value) {
  return EncodeValue(value)->document;
}
template <typename T>
std::string Hex(const T& value) {
  return ToHex(Bytes(value));
}
template <typename T>
Result<T> Back(const T& value) {
  return DecodeValue<T>(FakeRuntime::Flatten(*EncodeValue(value)), nullptr);
}
template <typename T>
void ExpectRoundTrip(const T& value) {
  const Result<T> back = Back(value);
  ASSERT_TRUE(back) << TypeName<T>() << ": " << back.error().ToString();
  EXPECT_TRUE(*back == value) << TypeName<T>() << ": " << Hex(value);
}
template <typename T>
void ExpectLimits() {
  for (const T value : {T(0), T(1), std::numeric_limits<T>::min(), std::numeric_limits<T>::max(),
                        T(127), T(-1), T(-32), T(-33), T(-128), T(-129), T(128), T(255), T(256),
                        T(32767), T(32768), T(65535), T(65536)}) {
    ExpectRoundTrip(value);
  }
}

TEST(SerializationTest, NumbersOfAllSizesAtTheirLimits) {
  ExpectLimits<std::int8_t>();
  ExpectLimits<std::uint8_t>();
  ExpectLimits<std::int16_t>();
  ExpectLimits<std::uint16_t>();
  ExpectLimits<std::int32_t>();
  ExpectLimits<std::uint32_t>();
  ExpectLimits<std::int64_t>();
  ExpectLimits<std::uint64_t>();
  ExpectLimits<char>();
  ExpectLimits<char16_t>();
  ExpectLimits<long long>();  // NOLINT(google-runtime-int): a type of its own
  for (const double value : {0.0, -1.5, 1e308, std::numeric_limits<double>::infinity()}) {
    ExpectRoundTrip(value);
    ExpectRoundTrip(static_cast<float>(value));
  }
  EXPECT_TRUE(std::isnan(*Back(std::numeric_limits<double>::quiet_NaN())));
}

TEST(SerializationTest, SimpleValues) {
  ExpectRoundTrip(true);
  ExpectRoundTrip(false);
  ExpectRoundTrip(Color::kBlue);
  ExpectRoundTrip(std::monostate());
  for (const std::size_t size : {0, 1, 31, 32, 255, 256, 65535, 65536}) {
    ExpectRoundTrip(std::string(size, 'x'));
  }
  ExpectRoundTrip(std::string("\0\xff binary", 9));
  ExpectRoundTrip(std::chrono::milliseconds(-5));
  ExpectRoundTrip(std::chrono::duration<double>(1.25));
  EXPECT_EQ(Bytes(std::string_view("abc")), Bytes(std::string("abc")));
}

TEST(SerializationTest, Containers) {
  ExpectRoundTrip(std::vector<int>{1, -2, 300000});
  ExpectRoundTrip(std::vector<int>(5000, -7));
  ExpectRoundTrip(std::vector<double>(3000, 0.5));
  ExpectRoundTrip(std::vector<bool>{true, false, true});
  ExpectRoundTrip(std::vector<std::string>{"a", "", std::string(1000, 'z')});
  ExpectRoundTrip(std::vector<unsigned char>{1, 2, 255});
  ExpectRoundTrip(std::vector<char>(70000, 'c'));
  ExpectRoundTrip(std::vector<std::byte>{std::byte{7}});
  ExpectRoundTrip(std::array<std::byte, 2>{std::byte{7}, std::byte{8}});
  ExpectRoundTrip(std::deque<int>{1, 2});
  ExpectRoundTrip(std::list<std::string>{"x"});
  ExpectRoundTrip(std::set<int>{3, 1, 2});
  ExpectRoundTrip(std::multiset<int>{3, 3, 2});
  ExpectRoundTrip(std::unordered_set<std::string>{"a", "b"});
  ExpectRoundTrip(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  ExpectRoundTrip(std::unordered_map<int, std::string>{{1, "a"}, {-1, "b"}});
  ExpectRoundTrip(std::multimap<int, int>{{1, 1}, {1, 2}});
  ExpectRoundTrip(std::array<std::array<int, 2>, 2>{{{1, 2}, {3, 4}}});
  ExpectRoundTrip(std::array<int, 0>());
  ExpectRoundTrip(std::vector<std::vector<std::vector<int>>>{{{1}, {}}, {}});
}

TEST(SerializationTest, SumsAndProducts) {
  ExpectRoundTrip(std::optional<int>());
  ExpectRoundTrip(std::optional<int>(3));
  ExpectRoundTrip(std::optional<std::optional<int>>(std::optional<int>()));
  ExpectRoundTrip(std::optional<std::optional<int>>());
  ExpectRoundTrip(std::optional<std::monostate>(std::monostate()));
  ExpectRoundTrip(std::optional<std::monostate>());
  using Variant = std::variant<std::monostate, int, std::string, std::vector<int>>;
  ExpectRoundTrip(Variant());
  ExpectRoundTrip(Variant(3));
  ExpectRoundTrip(Variant("three"));
  ExpectRoundTrip(std::vector<Variant>{1, "a", std::vector<int>{1}});
  ExpectRoundTrip(std::variant<int, int>(std::in_place_index<1>, 4));
  ExpectRoundTrip(std::tuple<int, std::string, bool>(1, "a", true));
  ExpectRoundTrip(std::tuple<>());
  ExpectRoundTrip(std::pair<int, std::string>(1, "a"));
  EXPECT_EQ(**Back(std::make_unique<int>(7)), 7);
  EXPECT_EQ(*Back(std::unique_ptr<int>()), nullptr);
  const auto nested = Back(std::make_unique<std::unique_ptr<int>>());
  ASSERT_NE(*nested, nullptr);
  EXPECT_EQ(**nested, nullptr);
}

TEST(SerializationTest, StructsTravelFieldByField) {
  ExpectRoundTrip(Empty());
  ExpectRoundTrip(std::vector<Empty>(3));
  ExpectRoundTrip(Inner{1, "b"});
  ExpectRoundTrip(Outer{{1, "b"}, {{2, "c"}, {}}, 0.5, {1, 2, 3}, {{"k", {4, "d"}}}, Color::kBlue});
  ExpectRoundTrip(Tree{1, {{2, {}}, {3, {{4, {}}}}}});
}

TEST(SerializationTest, HooksServeBothWays) {
  ExpectRoundTrip(Account("ann", 5));
  EXPECT_TRUE(Back(Account("ann", 5))->was_read());
  EXPECT_EQ(Back(Foreign(7))->value, 7);
  ExpectRoundTrip(std::vector<Account>{{"a", 1}, {"b", 2}});
}

TEST(SerializationTest, AHookMayRefuseWhatItReads) {
  EXPECT_THAT(Back(Account("bob", -5)).error().message(), HasSubstr("an account below zero"));
}

TEST(SerializationTest, AHookMustReadWhatItWrote) {
  const auto more = EncodeValue(std::tuple<std::string, int, int>("a", 1, 2));
  EXPECT_THAT(DecodeValue<Account>(FakeRuntime::Flatten(*more), nullptr).error().message(),
              HasSubstr("reads fewer fields than written"));
  const auto less = EncodeValue(std::tuple<std::string>("a"));
  EXPECT_THAT(DecodeValue<Account>(FakeRuntime::Flatten(*less), nullptr).error().message(),
              HasSubstr("reads more fields than were written"));
}

TEST(SerializationTest, GoldenBytes) {
  EXPECT_EQ(Hex(0), "00");
  EXPECT_EQ(Hex(127), "7f");
  EXPECT_EQ(Hex(128), "cc80");
  EXPECT_EQ(Hex(-1), "ff");
  EXPECT_EQ(Hex(-33), "d0df");
  EXPECT_EQ(Hex(65536), "ce00010000");
  EXPECT_EQ(Hex(std::int64_t{-1} << 40), "d3ffffff0000000000");
  EXPECT_EQ(Hex(1.5), "cb3ff8000000000000");
  EXPECT_EQ(Hex(1.5F), "ca3fc00000");
  EXPECT_EQ(Hex(true), "c3");
  EXPECT_EQ(Hex(std::monostate()), "c0");
  EXPECT_EQ(Hex(std::string("hi")), "a26869");
  EXPECT_EQ(Hex(std::vector<int>{1, 2}), "920102");
  EXPECT_EQ(Hex(std::vector<unsigned char>{1, 2}), "c4020102");
  EXPECT_EQ(Hex(std::map<std::string, int>{{"a", 1}}), "81a16101");
  EXPECT_EQ(Hex(Inner{1, "b"}), "9201a162");
  EXPECT_EQ(Hex(Account("b", 1)), "dc0002a16201");
  EXPECT_EQ(Hex(std::variant<int, std::string>("b")), "9201a162");
  EXPECT_EQ(Hex(std::optional<int>()), "c0");
  EXPECT_EQ(Hex(std::optional<std::optional<int>>(std::optional<int>())), "91c0");
  EXPECT_EQ(Hex(Empty()), "90");
  EXPECT_EQ(Hex(ObjectRef<int>()), "c70001");
  EXPECT_EQ(Hex(Buffer("abc")), "c403616263");
  EXPECT_EQ(Hex(Buffer(std::string(4096, 'x'))), "d80200000000000000400000000000001000");
}

TEST(SerializationTest, WhatNestsTooDeepCannotBeWritten) {
  const auto chain = [](int length) {
    std::unique_ptr<Chain> head;
    for (int i = 0; i < length; ++i) {
      head = std::make_unique<Chain>(Chain{i, std::move(head)});
    }
    return head;
  };
  EXPECT_TRUE(Back(chain(64)));
  const auto failed = EncodeValue(chain(65));
  EXPECT_EQ(failed.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_THAT(failed.error().message(), HasSubstr("deeper than 64"));
  Tree tree;
  for (int i = 0; i < 100; ++i) tree = Tree{i, std::vector<Tree>{tree}};
  EXPECT_FALSE(EncodeValue(tree));
}

}  // namespace
}  // namespace mobula::internal
