#include <gtest/gtest.h>

#include "components/base/simulated/event_loop.h"
#include "components/gcs/faulty/storage.h"
#include "components/gcs/memory/storage.h"
#include "components/gcs/registration.h"
#include "sim/simulated_background_thread.h"
#include "sim/simulated_file_system.h"

namespace mobula::gcs {
namespace {

using std::chrono::milliseconds;
using Operation = StorageFault::Operation;
using Value = Result<std::optional<std::string>>;

std::unique_ptr<Storage> Faulty(EventLoop& loop, std::vector<StorageFault> rules) {
  return std::make_unique<FaultyStorage>(loop, Random(7), std::make_unique<MemoryStorage>(loop),
                                         std::move(rules));
}

TEST(FaultyStorageTest, AnErrorIsForEverAndLeavesTheStoreAsItWas) {
  SimulatedEventLoop loop(1);
  auto storage =
      Faulty(loop, {{.operation = Operation::kWrite, .table = "n", .skip = 1, .error = true}});
  std::string seen;
  const auto note = [&seen](const Result<void>& r) { seen += r ? '+' : '-'; };
  storage->Write({{"other", "k", "1"}}, note);
  storage->Write({{"n", "k", "1"}}, note);
  storage->Write({{"other", "x", "1"}, {"n", "k", "2"}}, note);
  storage->Write({{"other", "k", "2"}}, note);
  ErrorCode code{};
  storage->Read("n", "k", [&code](const Value& r) { code = r.error().code(); });
  loop.RunUntilIdle(100);
  EXPECT_EQ(seen, "++--");
  EXPECT_EQ(code, ErrorCode::kInternal);
}

TEST(FaultyStorageTest, AFailedWriteMayHaveLanded) {
  SimulatedEventLoop loop(1);
  auto inner = std::make_unique<MemoryStorage>(loop);
  MemoryStorage& disk = *inner;
  FaultyStorage storage(loop, Random(7), std::move(inner), {{.error = true, .applied = true}});
  bool failed = false;
  storage.Write({{"t", "k", "1"}}, [&failed](const Result<void>& r) { failed = !r; });
  std::optional<std::string> landed;
  disk.Read("t", "k", [&landed](const Value& r) { landed = *r; });
  loop.RunUntilIdle(100);
  EXPECT_TRUE(failed);
  EXPECT_EQ(landed, "1");
}

ConfigValue Map(ConfigValue::Map map) { return ConfigValue(std::move(map)); }
ConfigValue Text(std::string text) { return ConfigValue(std::move(text)); }

Result<std::unique_ptr<Storage>> Make(EventLoop& loop, const ConfigValue& config) {
  sim::SimulatedFileSystem files;
  sim::SimulatedBackgroundThread writer(loop);
  const Kinds<Storage> kinds = BuiltInStorages();
  return kinds.Make(config, "gcs.storage", kUsualStorage,
                    {loop, Random(1), files, "/gcs", writer, kinds});
}

TEST(StorageRegistrationTest, BuildsDecoratorsAroundTheInnerKind) {
  SimulatedEventLoop loop(1);
  const auto rule = Map({{"operation", Text("write")}, {"delay", Text("5ms")}});
  auto storage = Make(loop, Map({{"kind", Text("faulty")},
                                 {"inner", Map({{"kind", Text("memory")}})},
                                 {"rules", ConfigValue(ConfigValue::List{rule})}}));
  ASSERT_TRUE(storage) << storage.error().ToString();
  EXPECT_EQ((*storage)->Name(), "faulty");
  TimePoint done{};
  (*storage)->Write({{"t", "k", "v"}}, [&](const Result<void>&) { done = loop.Now(); });
  loop.RunUntilIdle(100);
  EXPECT_EQ(done, TimePoint(milliseconds(5)));
}

TEST(StorageRegistrationTest, AnUnknownKindIsAnErrorThatListsTheKnownOnes) {
  SimulatedEventLoop loop(1);
  const auto storage = Make(loop, Map({{"kind", Text("paper")}}));
  ASSERT_FALSE(storage);
  EXPECT_EQ(storage.error().ToString(),
            "invalid_argument: gcs.storage: unknown gcs storage 'paper'; known: faulty, memory");
}

TEST(StorageRegistrationTest, AnUnknownKeyOfARuleIsAnErrorThatNamesItsPlace) {
  SimulatedEventLoop loop(1);
  const auto rule = Map({{"dely", Text("5ms")}});
  const auto storage =
      Make(loop, Map({{"kind", Text("faulty")}, {"rules", ConfigValue(ConfigValue::List{rule})}}));
  ASSERT_FALSE(storage);
  EXPECT_NE(storage.error().message().find("gcs.storage.rules[0]"), std::string::npos)
      << storage.error().message();
  EXPECT_NE(storage.error().message().find("dely"), std::string::npos);
}

}  // namespace
}  // namespace mobula::gcs
