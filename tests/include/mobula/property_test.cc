// Random values of a type that has everything: what is written is what is read.
#include <gtest/gtest.h>

#include <deque>
#include <list>
#include <map>
#include <set>
#include <unordered_map>

#include "components/base/random.h"
#include "mobula/object_ref.h"
#include "mobula/serialization.h"
#include "tests/include/mobula/fake_runtime.h"

namespace mobula::internal {
namespace {

using mobula::testing::FakeRuntime;

struct Leaf {
  std::int8_t tiny = 0;
  std::uint64_t wide = 0;
  float single = 0;
  bool flag = false;
  std::string text;
  friend bool operator==(const Leaf&, const Leaf&) = default;
};
struct Everything {
  Leaf leaf;
  std::vector<std::int64_t> numbers;
  std::vector<unsigned char> bytes;
  std::deque<std::optional<std::uint16_t>> holes;
  std::list<std::pair<int, std::string>> pairs;
  std::set<std::string> names;
  std::unordered_map<std::int32_t, std::vector<Leaf>> groups;
  std::vector<std::variant<std::monostate, int, std::string, Leaf>> mixed;
  std::tuple<double, std::array<std::int16_t, 2>> fixed;
  std::chrono::nanoseconds time{};
  Buffer buffer;
  Array<double> array;
  std::vector<ObjectRef<int>> refs;
  friend bool operator==(const Everything&, const Everything&) = default;
};

struct Generator {
  Random random;
  FakeRuntime& runtime;
  std::vector<std::shared_ptr<const std::string>> owners = {};

  std::uint64_t Bits() { return random.Next() >> random.Below(64); }
  template <typename T>
  T Number() {
    return static_cast<T>(random.Chance(0.5) ? Bits() : ~Bits());
  }
  std::string Text() {
    std::string text(Bits() % (random.Chance(0.05) ? 70'000 : 40), '\0');
    for (char& c : text) c = static_cast<char>(random.Next());
    return text;
  }
  template <typename F>
  void Times(std::uint64_t most, F add) {
    for (std::uint64_t n = random.Below(most + 1); n > 0; --n) add();
  }
  Leaf MakeLeaf() {
    return {Number<std::int8_t>(), Bits(), static_cast<float>(random.Unit()), random.Chance(0.5),
            Text()};
  }
  ObjectRef<int> Ref() {
    if (random.Chance(0.1)) return {};
    if (owners.empty() || random.Chance(0.2)) {
      owners.push_back(std::make_shared<const std::string>(Text()));
    }
    return ObjectRef<int>(runtime.Handle(runtime.NewId(), owners[random.Below(owners.size())]));
  }
  Everything Make() {
    Everything e;
    e.leaf = MakeLeaf();
    Times(2000, [&] { e.numbers.push_back(Number<std::int64_t>()); });
    Times(300, [&] { e.bytes.push_back(Number<unsigned char>()); });
    Times(9, [&] { e.holes.emplace_back(); });
    Times(9, [&] { e.holes.emplace_back(Number<std::uint16_t>()); });
    Times(20, [&] { e.pairs.emplace_back(Number<int>(), Text()); });
    Times(20, [&] { e.names.insert(Text()); });
    Times(5, [&] { e.groups[Number<int>()].push_back(MakeLeaf()); });
    Times(5, [&] { e.mixed.emplace_back(); });
    Times(5, [&] { e.mixed.emplace_back(Number<int>()); });
    Times(5, [&] { e.mixed.emplace_back(Text()); });
    Times(5, [&] { e.mixed.emplace_back(MakeLeaf()); });
    e.fixed = {random.Unit(), {Number<std::int16_t>(), Number<std::int16_t>()}};
    e.time = std::chrono::nanoseconds(Number<std::int64_t>());
    e.buffer = Buffer(std::string(random.Below(9000), 'b'));
    e.array = Array<double>(std::vector<double>(random.Below(1100), random.Unit()));
    Times(30, [&] { e.refs.push_back(Ref()); });
    return e;
  }
};

TEST(SerializationPropertyTest, WhatIsWrittenIsWhatIsRead) {
  FakeRuntime runtime;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Generator generator{Random(seed), runtime};
    const Everything value = generator.Make();
    const auto written = EncodeValue(value);
    ASSERT_TRUE(written) << "seed " << seed;
    const Payload bytes = FakeRuntime::Flatten(*written);
    const auto read = DecodeValue<Everything>(bytes, &runtime);
    ASSERT_TRUE(read) << "seed " << seed << ": " << read.error().ToString();
    ASSERT_TRUE(*read == value) << "seed " << seed;
    for (std::size_t i = 0; i < value.refs.size(); ++i) {
      if (value.refs[i].IsNull()) continue;
      ASSERT_EQ(read->refs[i].reference()->owner->address,
                value.refs[i].reference()->owner->address);
    }
  }
}

TEST(SerializationPropertyTest, EveryCutIsNoticed) {
  FakeRuntime runtime;
  Generator generator{Random(3), runtime};
  const Payload bytes = FakeRuntime::Flatten(*EncodeValue(generator.Make()));
  for (std::size_t size = 0; size < bytes.size(); size += 1 + size / 50) {
    EXPECT_FALSE(DecodeValue<Everything>(bytes.Slice(0, size), &runtime)) << size;
  }
}

}  // namespace
}  // namespace mobula::internal
