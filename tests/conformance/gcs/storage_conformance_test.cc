// Every storage that is listed in components/gcs/registration.cc keeps the promises of storage.h,
// and storages that are wrong on purpose are found out.

#include <gtest/gtest.h>

#include <algorithm>

#include "components/base/check.h"
#include "components/gcs/faulty/storage.h"
#include "components/gcs/memory/storage.h"
#include "components/gcs/registration.h"
#include "tests/conformance/gcs/storage_checks.h"

namespace mobula::gcs {
namespace {

using std::chrono::milliseconds;
using Operation = StorageFault::Operation;

class StorageConformanceTest : public testing::TestWithParam<std::string> {};

TEST_P(StorageConformanceTest, KeepsEveryPromise) {
  ConfigValue::Map config;
  config.emplace("kind", ConfigValue(GetParam()));
  const auto make = [&config](const Storage::Context& context) {
    auto made = context.kinds.Make(ConfigValue(config), "gcs.storage", kUsualStorage, context);
    Check(made.has_value(), "a kind can be made without further keys");
    EXPECT_EQ((*made)->Name(), GetParam()) << "a storage is called as its kind";
    return std::move(*made);
  };
  EXPECT_EQ(BrokenPromise(make), "");
}
INSTANTIATE_TEST_SUITE_P(EveryKind, StorageConformanceTest,
                         testing::ValuesIn(BuiltInStorages().Names()),
                         [](const auto& kind) { return kind.param; });

TEST(FaultyStorageConformanceTest, DelaysOfAnyKindBreakNoPromise) {
  EXPECT_EQ(BrokenPromise([](const Storage::Context& context) {
              std::vector<StorageFault> rules = {
                  {.operation = Operation::kWrite, .delay = milliseconds(20)},
                  {.operation = Operation::kScan, .chance = 0.5, .delay = milliseconds(5)}};
              return std::make_unique<FaultyStorage>(context.loop, context.random,
                                                     std::make_unique<MemoryStorage>(context.loop),
                                                     std::move(rules));
            }),
            "");
}

/// A memory storage that breaks one promise.
class WrongStorage : public Storage {
 public:
  explicit WrongStorage(EventLoop& loop) : loop_(loop), inner_(loop) {}
  void Write(std::vector<Change> changes, Done<void> done) override {
    inner_.Write(std::move(changes), std::move(done));
  }
  void Read(std::string_view table, std::string_view key,
            Done<std::optional<std::string>> done) override {
    inner_.Read(table, key, std::move(done));
  }
  void Scan(std::string_view table, std::string_view prefix, Done<Entries> done) override {
    inner_.Scan(table, prefix, std::move(done));
  }
  void ListKeys(std::string_view table, std::string_view prefix,
                Done<std::vector<KeySize>> done) override {
    inner_.ListKeys(table, prefix, std::move(done));
  }
  [[nodiscard]] std::string_view Name() const override { return "wrong"; }

 protected:
  EventLoop& loop_;
  MemoryStorage inner_;
};

class AnswersInsideTheCall final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Write(std::vector<Change> changes, Done<void> done) override {
    inner_.Write(std::move(changes), [](const Result<void>&) {});
    done({});
  }
};

class AcknowledgesBehindReads final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Write(std::vector<Change> changes, Done<void> done) override {
    inner_.Write(std::move(changes), [this, done = std::move(done)](Result<void> r) mutable {
      loop_.Post([done = std::move(done), r]() mutable { done(r); });
    });
  }
};

class AppliesTheFirstChangeOnly final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Write(std::vector<Change> changes, Done<void> done) override {
    if (changes.size() > 1) changes.resize(1);
    inner_.Write(std::move(changes), std::move(done));
  }
};

class ScansBackwards final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Scan(std::string_view table, std::string_view prefix, Done<Entries> done) override {
    inner_.Scan(table, prefix, [done = std::move(done)](Result<Entries> r) mutable {
      std::ranges::reverse(*r);
      done(std::move(r));
    });
  }
};

class MixesTables final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Write(std::vector<Change> changes, Done<void> done) override {
    for (Change& change : changes) change.table = "t";
    inner_.Write(std::move(changes), std::move(done));
  }
};

class ListsNoSizes final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void ListKeys(std::string_view table, std::string_view prefix,
                Done<std::vector<KeySize>> done) override {
    inner_.ListKeys(table, prefix,
                    [done = std::move(done)](Result<std::vector<KeySize>> r) mutable {
                      for (KeySize& key : *r) key.bytes = 0;
                      done(std::move(r));
                    });
  }
};

class AnswersAfterItsEnd final : public WrongStorage {
 public:
  using WrongStorage::WrongStorage;
  void Write(std::vector<Change> changes, Done<void> done) override {
    inner_.Write(std::move(changes), [](const Result<void>&) {});
    loop_.Post([done = std::move(done)]() mutable { done({}); });
  }
};

template <typename Wrong>
std::string Verdict() {
  return BrokenPromise([](const Storage::Context& c) { return std::make_unique<Wrong>(c.loop); });
}

TEST(WrongStorageTest, EachIsRejectedWithThePromiseThatItBreaks) {
  EXPECT_EQ(Verdict<WrongStorage>(), "");
  EXPECT_EQ(Verdict<AnswersInsideTheCall>(), "callbacks never run inside the call");
  EXPECT_EQ(Verdict<AcknowledgesBehindReads>(), "callbacks run in order of the calls");
  EXPECT_NE(Verdict<AppliesTheFirstChangeOnly>(), "");
  EXPECT_EQ(Verdict<ScansBackwards>(), "all entries whose key begins with prefix, by key");
  EXPECT_NE(Verdict<MixesTables>(), "");
  EXPECT_EQ(Verdict<ListsNoSizes>(), "keys are listed as by a scan, with sizes");
  EXPECT_EQ(Verdict<AnswersAfterItsEnd>(), "pending callbacks are dropped on destruction");
}

}  // namespace
}  // namespace mobula::gcs
