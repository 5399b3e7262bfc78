#include <gtest/gtest.h>

#include <algorithm>

#include "components/base/simulated/event_loop.h"
#include "components/gcs/faulty/storage.h"
#include "components/gcs/memory/storage.h"
#include "components/gcs/registration.h"
#include "tests/components/gcs/storage_conformance.h"

namespace mobula::gcs {
namespace {

using std::chrono::milliseconds;
using Operation = StorageFault::Operation;
using Value = Result<std::optional<std::string>>;

std::unique_ptr<Storage> Faulty(EventLoop& loop, std::vector<StorageFault> rules) {
  return std::make_unique<FaultyStorage>(loop, Random(7), std::make_unique<MemoryStorage>(loop),
                                         std::move(rules));
}

TEST(StorageConformanceTest, MemoryKeepsEveryPromise) {
  EXPECT_EQ(BrokenPromise([](EventLoop& l) { return std::make_unique<MemoryStorage>(l); }), "");
}
TEST(StorageConformanceTest, FaultyWithoutFaultsKeepsEveryPromise) {
  EXPECT_EQ(BrokenPromise([](EventLoop& l) { return Faulty(l, {}); }), "");
}
TEST(StorageConformanceTest, FaultyWithDelaysOfAnyKindKeepsEveryPromise) {
  EXPECT_EQ(BrokenPromise([](EventLoop& l) {
              return Faulty(
                  l, {{.operation = Operation::kWrite, .delay = milliseconds(20)},
                      {.operation = Operation::kScan, .chance = 0.5, .delay = milliseconds(5)}});
            }),
            "");
}

/// A memory storage that breaks one promise.
class WrongStorage : public Storage {
 public:
  explicit WrongStorage(EventLoop& loop) : loop_(loop), inner_(loop) {}
  void Write(std::vector<Change> changes,
             std::move_only_function<void(Result<void>)> done) override {
    inner_.Write(std::move(changes), std::move(done));
  }
  void Read(std::string_view table, std::string_view key,
            std::move_only_function<void(Value)> done) override {
    inner_.Read(table, key, std::move(done));
  }
  void Scan(std::string_view table, std::string_view prefix,
            std::move_only_function<void(Result<Entries>)> done) override {
    inner_.Scan(table, prefix, std::move(done));
  }
  [[nodiscard]] std::string_view Name() const override { return "wrong"; }

 protected:
  EventLoop& loop_;
  MemoryStorage inner_;
};

class AnswersInsideTheCall final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Write(std::vector<Change> changes,
             std::move_only_function<void(Result<void>)> done) override {
    inner_.Write(std::move(changes), [](const Result<void>&) {});
    done({});
  }
};

class AcknowledgesBehindReads final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Write(std::vector<Change> changes,
             std::move_only_function<void(Result<void>)> done) override {
    inner_.Write(std::move(changes), [this, done = std::move(done)](Result<void> r) mutable {
      loop_.Post([done = std::move(done), r]() mutable { done(r); });
    });
  }
};

class AppliesTheFirstChangeOnly final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Write(std::vector<Change> changes,
             std::move_only_function<void(Result<void>)> done) override {
    if (changes.size() > 1) changes.resize(1);
    inner_.Write(std::move(changes), std::move(done));
  }
};

class ScansBackwards final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Scan(std::string_view table, std::string_view prefix,
            std::move_only_function<void(Result<Entries>)> done) override {
    inner_.Scan(table, prefix, [done = std::move(done)](Result<Entries> r) mutable {
      std::ranges::reverse(*r);
      done(std::move(r));
    });
  }
};

class MixesTables final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Write(std::vector<Change> changes,
             std::move_only_function<void(Result<void>)> done) override {
    for (Change& change : changes) change.table = "t";
    inner_.Write(std::move(changes), std::move(done));
  }
};

template <typename Wrong>
std::string Verdict() {
  return BrokenPromise([](EventLoop& l) { return std::make_unique<Wrong>(l); });
}

TEST(StorageConformanceTest, WrongStoragesAreRejected) {
  EXPECT_EQ(Verdict<WrongStorage>(), "");
  EXPECT_EQ(Verdict<AnswersInsideTheCall>(), "callbacks never run inside the call");
  EXPECT_EQ(Verdict<AcknowledgesBehindReads>(), "callbacks run in order of the calls");
  EXPECT_NE(Verdict<AppliesTheFirstChangeOnly>(), "");
  EXPECT_EQ(Verdict<ScansBackwards>(), "all entries whose key begins with prefix, by key");
  EXPECT_NE(Verdict<MixesTables>(), "");
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
  const auto registry = BuiltInStorages();
  return MakeStorage(config, {loop, Random(1), registry});
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
