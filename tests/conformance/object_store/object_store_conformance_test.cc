#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "components/object_store/registration.h"
#include "tests/components/object_store/stores.h"
#include "tests/conformance/cited.h"
#include "tests/conformance/object_store/store_checks.h"

namespace mobula::object_store::conformance {
namespace {

struct TestedStore {
  std::string name;
  StoreFactory make;
};

/// Every kind that can be named in YAML, and those whose keys make a different thing of them.
std::vector<TestedStore> AllStores() {
  std::vector<TestedStore> all;
  for (const std::string& kind : BuiltInStores().Names()) {
    all.push_back({kind, [kind](std::uint64_t capacity) { return MakeStore(kind, capacity); }});
  }
  all.push_back({"shared_memory_ahead", [](std::uint64_t capacity) {
                   return MakeStore("shared_memory", capacity, {{"populate", "ahead"}});
                 }});
  return all;
}

class ObjectStoreConformanceTest
    : public testing::TestWithParam<std::tuple<TestedStore, StoreCheck>> {};

TEST_P(ObjectStoreConformanceTest, KeepsThePromise) {
  const auto& [store, check] = GetParam();
  const Violation violation = check.run(store.make);
  EXPECT_FALSE(violation) << "broken: \"" << check.promise << "\": " << *violation;
}

INSTANTIATE_TEST_SUITE_P(All, ObjectStoreConformanceTest,
                         testing::Combine(testing::ValuesIn(AllStores()),
                                          testing::ValuesIn(StoreChecks())),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param).name,
                                              std::get<1>(info.param).name);
                         });

/// A right store with one thing wrong; each derives and spoils one call.
class WrongStore : public ObjectStore {
 public:
  explicit WrongStore(std::uint64_t capacity) : inner_(MakeStore("heap", capacity)) {}

  Result<StoredObject> Create(const ObjectId& id, std::uint64_t size_bytes, CopyKind kind,
                              StoreClientId creator) override {
    return inner_->Create(id, size_bytes, kind, creator);
  }
  Result<void> Seal(const ObjectId& id, StoreClientId creator) override {
    return inner_->Seal(id, creator);
  }
  Result<void> Abort(const ObjectId& id, StoreClientId creator) override {
    return inner_->Abort(id, creator);
  }
  std::optional<StoredObject> Get(const ObjectId& id, StoreClientId client) override {
    return inner_->Get(id, client);
  }
  void Release(const ObjectId& id, StoreClientId client) override { inner_->Release(id, client); }
  void Delete(const ObjectId& id) override { inner_->Delete(id); }
  void DropClient(StoreClientId client) override { inner_->DropClient(client); }
  [[nodiscard]] bool ContainsSealed(const ObjectId& id) const override {
    return inner_->ContainsSealed(id);
  }
  [[nodiscard]] std::optional<std::uint64_t> SizeOf(const ObjectId& id) const override {
    return inner_->SizeOf(id);
  }
  [[nodiscard]] StoreUsage Usage() const override { return inner_->Usage(); }
  void OnEvicted(std::function<void(const ObjectId&)> callback) override {
    inner_->OnEvicted(std::move(callback));
  }
  void OnChange(std::function<void()> callback) override { inner_->OnChange(std::move(callback)); }
  [[nodiscard]] int SharedDescriptor() const override { return -1; }
  [[nodiscard]] std::string_view Name() const override { return "wrong"; }
  void CheckInvariants() const override { inner_->CheckInvariants(); }

 protected:
  std::unique_ptr<ObjectStore> inner_;
};

/// Gives twice the capacity it was asked for.
class TooLargeStore final : public WrongStore {
 public:
  explicit TooLargeStore(std::uint64_t capacity) : WrongStore(2 * capacity) {}
};

/// Forgets to pin, so that what is being read may be evicted.
class PinlessStore final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  std::optional<StoredObject> Get(const ObjectId& id, StoreClientId client) override {
    auto object = inner_->Get(id, client);
    inner_->Release(id, client);
    return object;
  }
};

/// Treats every copy as one that may go.
class EvictsPrimariesStore final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  Result<StoredObject> Create(const ObjectId& id, std::uint64_t size_bytes, CopyKind /*kind*/,
                              StoreClientId creator) override {
    return inner_->Create(id, size_bytes, CopyKind::kSecondary, creator);
  }
};

/// Does not notice that a client died.
class LeakyStore final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  void DropClient(StoreClientId /*client*/) override {}
};

/// Shows objects before they are sealed.
class ImpatientStore final : public WrongStore {
 public:
  using WrongStore::WrongStore;
  [[nodiscard]] bool ContainsSealed(const ObjectId& id) const override {
    return inner_->SizeOf(id).has_value();
  }
};

template <typename Store>
std::vector<std::string> ChecksThatReject() {
  std::vector<std::string> names;
  for (const StoreCheck& check : StoreChecks()) {
    const auto make = [](std::uint64_t capacity) { return std::make_unique<Store>(capacity); };
    if (check.run(make)) names.emplace_back(check.name);
  }
  return names;
}

TEST(ObjectStoreConformanceSuiteTest, CitesTheHeader) {
  for (const StoreCheck& check : StoreChecks()) {
    EXPECT_TRUE(
        mobula::conformance::HeaderSays("components/object_store/object_store.h", check.promise))
        << check.promise;
  }
}

TEST(ObjectStoreConformanceSuiteTest, RejectsWrongStores) {
  using testing::Contains;
  EXPECT_THAT(ChecksThatReject<WrongStore>(), testing::IsEmpty());
  EXPECT_THAT(ChecksThatReject<TooLargeStore>(), Contains("CapacityIsNeverExceeded"));
  EXPECT_THAT(ChecksThatReject<PinlessStore>(), Contains("PinnedCopiesAreNeverEvicted"));
  EXPECT_THAT(ChecksThatReject<EvictsPrimariesStore>(), Contains("PrimaryCopiesAreNeverEvicted"));
  EXPECT_THAT(ChecksThatReject<LeakyStore>(), Contains("ADeadClientLeavesNothingBehind"));
  EXPECT_THAT(ChecksThatReject<ImpatientStore>(), Contains("UnsealedObjectsAreInvisible"));
}

TEST(ObjectStoreConformanceSuiteTest, TheModelFindsWrongStoresToo) {
  EXPECT_THAT(ChecksThatReject<TooLargeStore>(), testing::Contains("BehavesLikeTheModel"));
  EXPECT_THAT(ChecksThatReject<EvictsPrimariesStore>(), testing::Contains("BehavesLikeTheModel"));
  EXPECT_THAT(ChecksThatReject<LeakyStore>(), testing::Contains("BehavesLikeTheModel"));
}

}  // namespace
}  // namespace mobula::object_store::conformance
