#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "components/object_store/registration.h"
#include "tests/components/object_store/stores.h"
#include "tests/conformance/cited.h"
#include "tests/conformance/object_store/eviction_checks.h"

namespace mobula::object_store::conformance {
namespace {

class EvictionConformanceTest
    : public testing::TestWithParam<std::tuple<std::string, EvictionCheck>> {};

TEST_P(EvictionConformanceTest, KeepsThePromise) {
  const auto& [kind, check] = GetParam();
  const auto violation = check.run([&kind = kind] { return MakePolicy(kind); });
  EXPECT_FALSE(violation) << "broken: \"" << check.promise << "\": " << *violation;
}

INSTANTIATE_TEST_SUITE_P(All, EvictionConformanceTest,
                         testing::Combine(testing::ValuesIn(BuiltInEvictionPolicies().Names()),
                                          testing::ValuesIn(EvictionChecks())),
                         [](const auto& info) {
                           return fmt::format("{}_{}", std::get<0>(info.param),
                                              std::get<1>(info.param).name);
                         });

TEST(EvictionConformanceSuiteTest, CitesTheHeader) {
  for (const EvictionCheck& check : EvictionChecks()) {
    EXPECT_TRUE(
        mobula::conformance::HeaderSays("components/object_store/eviction_policy.h", check.promise))
        << check.promise;
  }
}

/// A right policy, first in first out; each wrong one spoils one call.
class WrongPolicy : public EvictionPolicy {
 public:
  void Add(const EvictionCandidate& candidate) override { objects_.push_back(candidate.id); }
  void Remove(const ObjectId& id) override { std::erase(objects_, id); }
  [[nodiscard]] std::optional<ObjectId> Victim() const override {
    return objects_.empty() ? std::nullopt : std::optional(objects_.front());
  }

 protected:
  mutable std::deque<ObjectId> objects_;
};

/// Goes on naming what is pinned by now.
class DeafPolicy final : public WrongPolicy {
 public:
  void Remove(const ObjectId& /*id*/) override {}
};

/// Takes it for granted that the victim is evicted.
class HastyPolicy final : public WrongPolicy {
 public:
  [[nodiscard]] std::optional<ObjectId> Victim() const override {
    const auto victim = WrongPolicy::Victim();
    if (victim) objects_.pop_front();
    return victim;
  }
};

/// Drops the wrong one when it is told of one that it does not know.
class CarelessPolicy final : public WrongPolicy {
 public:
  void Remove(const ObjectId& id) override {
    if (std::erase(objects_, id) == 0 && !objects_.empty()) objects_.pop_front();
  }
};

/// Has a source of chance that no seed repeats.
class MoodyPolicy final : public WrongPolicy {
 public:
  MoodyPolicy() : from_the_back_(++made_ % 2 == 0) {}
  [[nodiscard]] std::optional<ObjectId> Victim() const override {
    if (objects_.empty()) return std::nullopt;
    return from_the_back_ ? objects_.back() : objects_.front();
  }

 private:
  inline static int made_ = 0;
  const bool from_the_back_;
};

template <typename Policy>
std::vector<std::string> ChecksThatReject() {
  std::vector<std::string> names;
  for (const EvictionCheck& check : EvictionChecks()) {
    if (check.run([] { return std::make_unique<Policy>(); })) names.emplace_back(check.name);
  }
  return names;
}

TEST(EvictionConformanceSuiteTest, RejectsWrongPolicies) {
  using testing::Contains;
  EXPECT_THAT(ChecksThatReject<WrongPolicy>(), testing::IsEmpty());
  EXPECT_THAT(ChecksThatReject<DeafPolicy>(), Contains("WhatMayNotBeEvictedIsNoVictim"));
  EXPECT_THAT(ChecksThatReject<HastyPolicy>(), Contains("TheVictimStaysUntilItIsRemoved"));
  EXPECT_THAT(ChecksThatReject<CarelessPolicy>(), Contains("RemovingTheUnknownChangesNothing"));
  EXPECT_THAT(ChecksThatReject<MoodyPolicy>(), Contains("TheSameCallsGiveTheSameVictims"));
}

}  // namespace
}  // namespace mobula::object_store::conformance
