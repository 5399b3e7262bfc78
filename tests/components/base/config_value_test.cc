#include "components/base/config_value.h"

#include <gtest/gtest.h>

#include <functional>

namespace mobula {
namespace {

using namespace std::chrono_literals;

ConfigValue Scalar(std::string text, int line = 0) { return ConfigValue(std::move(text), line); }

ConfigValue MapOf(ConfigValue::Map map, int line = 0) { return ConfigValue(std::move(map), line); }

/// \return the message that `read` leaves when it reads a map of one key.
std::string ErrorOf(ConfigValue value, const std::function<void(ConfigReader&)>& read) {
  const ConfigValue map = MapOf({{"key", std::move(value)}}, 3);
  ConfigReader reader(map, "store");
  read(reader);
  const auto result = reader.Finish();
  return result ? "" : result.error().message();
}

TEST(ConfigReaderTest, ReadsEveryType) {
  const ConfigValue map = MapOf({{"name", Scalar("tcp")},
                                 {"port", Scalar("6379")},
                                 {"ratio", Scalar("0.5")},
                                 {"on", Scalar("true")},
                                 {"capacity", Scalar("512MiB")},
                                 {"timeout", Scalar("250ms")},
                                 {"custom", MapOf({{"tape", Scalar("1.5")}})},
                                 {"labels", MapOf({{"zone", Scalar("a")}})},
                                 {"child", MapOf({{"kind", Scalar("lru")}})}});
  ConfigReader reader(map, "node");
  EXPECT_EQ(reader.Text("name", ""), "tcp");
  EXPECT_EQ(reader.Integer("port", 0, 0, 65535), 6379);
  EXPECT_EQ(reader.Number("ratio", 0, 0, 1), 0.5);
  EXPECT_TRUE(reader.Boolean("on", false));
  EXPECT_EQ(reader.Size("capacity", 0), 512ULL << 20);
  EXPECT_EQ(reader.Time("timeout", 0s), 250ms);
  EXPECT_EQ(reader.NumberMap("custom"), (std::map<std::string, double>{{"tape", 1.5}}));
  EXPECT_EQ(reader.TextMap("labels"), (std::map<std::string, std::string>{{"zone", "a"}}));
  ConfigReader child(reader.Child("child"), "node.child");
  EXPECT_EQ(child.Text("kind", ""), "lru");
  EXPECT_TRUE(child.Finish());
  EXPECT_TRUE(reader.Finish());
}

TEST(ConfigReaderTest, AbsentKeysAndAnAbsentMapGiveTheFallbacks) {
  const ConfigValue nothing;
  ConfigReader reader(nothing, "store");
  EXPECT_EQ(reader.Text("a", "x"), "x");
  EXPECT_EQ(reader.Integer("b", 7, 0, 10), 7);
  EXPECT_EQ(reader.Size("c", 9), 9U);
  EXPECT_EQ(reader.Time("d", 5s), 5s);
  EXPECT_FALSE(reader.Has("a"));
  EXPECT_TRUE(reader.Child("e").map()->empty());
  EXPECT_TRUE(reader.NumberMap("f").empty());
  EXPECT_TRUE(reader.Finish());
}

TEST(ConfigReaderTest, AnUnknownKeyIsAnErrorThatListsTheKnownOnes) {
  const ConfigValue map = MapOf({{"kind", Scalar("heap", 11)}, {"capcity", Scalar("1GiB", 12)}});
  ConfigReader reader(map, "object_store");
  (void)reader.Text("kind", "");
  (void)reader.Size("capacity", 0);
  EXPECT_EQ(reader.Finish().error().ToString(),
            "invalid_argument: unknown key 'capcity' in object_store (line 12); "
            "known: capacity, kind");
}

TEST(ConfigReaderTest, MessagesNameTheKeyTheLineTheValueAndWhatIsRight) {
  EXPECT_EQ(ErrorOf(Scalar("70000", 4), [](auto& r) { (void)r.Integer("key", 0, 0, 65535); }),
            "store.key (line 4) is '70000'; a whole number from 0 to 65535 is wanted");
  EXPECT_EQ(ErrorOf(Scalar("1x", 4), [](auto& r) { (void)r.Integer("key", 0, 0, 9); }),
            "store.key (line 4) is '1x'; a whole number from 0 to 9 is wanted");
  EXPECT_EQ(ErrorOf(Scalar("nan", 4), [](auto& r) { (void)r.Number("key", 0, 0, 1); }),
            "store.key (line 4) is 'nan'; a number from 0 to 1 is wanted");
  EXPECT_EQ(ErrorOf(Scalar("maybe"), [](auto& r) { (void)r.Boolean("key", false); }),
            "store.key is 'maybe'; true or false is wanted");
  EXPECT_EQ(ErrorOf(Scalar("12 parsec", 4), [](auto& r) { (void)r.Size("key", 0); }),
            "store.key (line 4) is '12 parsec'; a size such as 512MiB or 4GB is wanted");
  EXPECT_EQ(ErrorOf(Scalar("5", 4), [](auto& r) { (void)r.Time("key", 0s); }),
            "store.key (line 4) is '5'; a time such as 250ms, 5s or 2min is wanted");
  EXPECT_EQ(ErrorOf(ConfigValue(ConfigValue::List(), 4), [](auto& r) { (void)r.Text("key", ""); }),
            "store.key (line 4) is a list; a text is wanted");
  EXPECT_EQ(ErrorOf(MapOf({{"tape", Scalar("x")}}, 4), [](auto& r) { (void)r.NumberMap("key"); }),
            "store.key (line 4) has 'x' under 'tape'; a number is wanted");
}

TEST(ConfigReaderTest, AScalarWhereAMapBelongsIsAnError) {
  const ConfigValue text = Scalar("yes", 5);
  ConfigReader reader(text, "store");
  EXPECT_EQ(reader.Text("kind", "heap"), "heap");
  EXPECT_EQ(reader.Finish().error().message(), "store (line 5) is a text; a map of keys is wanted");
}

TEST(ConfigReaderTest, TheFirstErrorWinsAndTheCallerMayAddOne) {
  EXPECT_EQ(ErrorOf(Scalar("x", 4),
                    [](auto& r) {
                      r.Reject("key", "is odd");
                      (void)r.Integer("key", 0, 0, 9);
                    }),
            "store.key (line 4) is odd");
}

TEST(UnitsTest, SizesHaveBinaryAndDecimalUnits) {
  EXPECT_EQ(*ParseSize("100000"), 100000U);
  EXPECT_EQ(*ParseSize("0"), 0U);
  EXPECT_EQ(*ParseSize("17B"), 17U);
  EXPECT_EQ(*ParseSize("1.5GiB"), 3ULL << 29);
  EXPECT_EQ(*ParseSize("4 GB"), 4'000'000'000U);
  EXPECT_EQ(*ParseSize("2kB"), 2000U);
  for (const char* bad : {"", "MiB", "-1", "1XB", "1MiBs", "inf", "nan", "99999999TiB"}) {
    EXPECT_FALSE(ParseSize(bad)) << bad;
  }
}

TEST(UnitsTest, TimesNeedAUnitUnlessZero) {
  EXPECT_EQ(*ParseTime("250ms"), 250ms);
  EXPECT_EQ(*ParseTime("1.5s"), 1500ms);
  EXPECT_EQ(*ParseTime("2min"), 2min);
  EXPECT_EQ(*ParseTime("1h"), 1h);
  EXPECT_EQ(*ParseTime("30us"), 30us);
  EXPECT_EQ(*ParseTime("0"), 0s);
  for (const char* bad : {"", "5", "ms", "-5s", "5 days", "1e300h"}) {
    EXPECT_FALSE(ParseTime(bad)) << bad;
  }
}

TEST(UnitsTest, FormatsWithThreeDigits) {
  EXPECT_EQ(FormatSize(17), "17 B");
  EXPECT_EQ(FormatSize(512ULL << 20), "512 MiB");
  EXPECT_EQ(FormatSize(3ULL << 29), "1.5 GiB");
  EXPECT_EQ(FormatSize((1ULL << 20) - 1), "1 MiB");
  EXPECT_EQ(FormatSize(1000), "1000 B");
  EXPECT_EQ(FormatTime(1250ms), "1.25 s");
  EXPECT_EQ(FormatTime(3100us), "3.1 ms");
  EXPECT_EQ(FormatTime(870us), "870 us");
  EXPECT_EQ(FormatTime(999'700us), "1 s");
  EXPECT_EQ(FormatTime(0s), "0 ns");
  EXPECT_EQ(FormatTime(-2s), "-2 s");
  EXPECT_EQ(FormatTime(90min), "5400 s");
}

}  // namespace
}  // namespace mobula
