// The small machines of base: lifetimes, metrics, checks, the timer queue.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "components/base/check.h"
#include "components/base/kinds.h"
#include "components/base/lifetime.h"
#include "components/base/metrics.h"
#include "components/base/random.h"
#include "components/base/timer_queue.h"

namespace mobula {
namespace {

TEST(LifetimeTest, BoundCallbacksPassArgumentsAndResultsWhileItLives) {
  auto alive = std::make_unique<Lifetime>();
  auto add = alive->Bind([](int a, std::unique_ptr<int> b) { return a + *b; });
  EXPECT_EQ(add(1, std::make_unique<int>(2)), 3);
  alive.reset();
  EXPECT_EQ(add(1, std::make_unique<int>(2)), 0);
}

TEST(LifetimeTest, EndSilencesEarlierAndLaterCallbacks) {
  Lifetime alive;
  int calls = 0;
  auto before = alive.Bind([&] { ++calls; });
  before();
  alive.End();
  auto after = alive.Bind([&] { ++calls; });
  before();
  after();
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(alive.IsOver());
}

TEST(LifetimeTest, ACallbackMayEndItsOwnLifetime) {
  auto alive = std::make_unique<Lifetime>();
  int calls = 0;
  auto callback = alive->Bind([&] {
    alive.reset();
    ++calls;
  });
  callback();
  callback();
  EXPECT_EQ(calls, 1);
}

/// What kinds are made of in these tests.
struct Thing {
  struct Context {
    int base = 0;
  };
  int value = 0;
};

Result<std::unique_ptr<Thing>> MakePlus(ConfigReader& config, const Thing::Context& context) {
  auto made = std::make_unique<Thing>();
  made->value = context.base + config.Integer("add", 1, 0, 100);
  return made;
}

Result<std::unique_ptr<Thing>> MakeZero(ConfigReader&, const Thing::Context&) {
  return std::make_unique<Thing>();
}

ConfigValue MapOf(std::string key, std::string value) {
  return ConfigValue(ConfigValue::Map{{std::move(key), ConfigValue(std::move(value))}});
}

TEST(KindsTest, MakesTheNamedKindWithItsKeysAndElseTheUsualOne) {
  const Kinds<Thing> kinds("thing", {{"zero", MakeZero}, {"plus", MakePlus}});
  EXPECT_EQ((*kinds.Make(MapOf("add", "5"), "part", "plus", {.base = 2}))->value, 7);
  EXPECT_EQ((*kinds.Make(MapOf("kind", "zero"), "part", "plus", {.base = 2}))->value, 0);
  EXPECT_EQ(kinds.Names(), (std::vector<std::string>{"plus", "zero"}));
}

TEST(KindsTest, AnUnknownKindIsNamedWithTheKnownOnes) {
  const Kinds<Thing> kinds("thing", {{"zero", MakeZero}, {"plus", MakePlus}});
  EXPECT_EQ(kinds.Make(MapOf("kind", "pls"), "part", "plus", {}).error().ToString(),
            "invalid_argument: part: unknown thing 'pls'; known: plus, zero");
}

TEST(KindsTest, AKeyThatTheKindDoesNotReadIsAnError) {
  const Kinds<Thing> kinds("thing", {{"zero", MakeZero}});
  EXPECT_FALSE(kinds.Make(MapOf("add", "5"), "part", "zero", {}).has_value());
}

TEST(KindsTest, ALaterKindOfTheSameNameReplaces) {
  Kinds<Thing> kinds("thing", {{"x", MakeZero}});
  kinds.Add({"x", MakePlus});
  EXPECT_EQ((*kinds.Make(ConfigValue(), "part", "x", {.base = 2}))->value, 3);
}

TEST(MetricsTest, ACounterStaysWhereItIs) {
  Metrics metrics;
  auto& first = metrics.Counter("leases_granted_total");
  ++first;
  for (int i = 0; i < 100; ++i) (void)metrics.Counter("other_" + std::to_string(i));
  ++metrics.Counter("leases_granted_total");
  EXPECT_EQ(first, 2);
  EXPECT_EQ(metrics.values().size(), 101U);
}

TEST(CheckTest, AFailedCheckNamesReasonFileAndLine) {
  Check(true, "fine");
  EXPECT_DEATH(Check(false, "the sky fell"),
               "broken promise: the sky fell .*pieces_test.cc:[0-9]+");
}

TEST(TimerQueueTest, BehavesLikeASortedMapUnderRandomUse) {
  using Key = std::pair<TimePoint, std::uint64_t>;
  Random random(11);
  TimerQueue queue;
  std::map<Key, TimerQueue::TimerId> model;
  Key ran;
  for (std::uint64_t step = 0; step < 20'000; ++step) {
    const std::uint64_t choice = random.Below(10);
    if (choice < 5) {
      const Key key(TimePoint(Duration(random.Below(50))), step);
      model[key] = queue.Add(key.first, key.second, [&ran, key] { ran = key; });
    } else if (choice < 8 && !model.empty()) {
      auto it = model.begin();
      std::advance(it, static_cast<std::ptrdiff_t>(random.Below(model.size())));
      EXPECT_TRUE(queue.Remove(it->second));
      EXPECT_FALSE(queue.Remove(it->second));
      model.erase(it);
    } else if (!model.empty()) {
      ASSERT_EQ(Key(queue.first_deadline(), queue.first_order()), model.begin()->first);
      queue.PopFirst()();
      ASSERT_EQ(ran, model.begin()->first);
      EXPECT_FALSE(queue.Remove(model.begin()->second));
      model.erase(model.begin());
    }
    ASSERT_EQ(queue.size(), model.size());
  }
}

}  // namespace
}  // namespace mobula
