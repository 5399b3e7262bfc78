#include <gtest/gtest.h>

#include "components/object_store/eviction/policies.h"

namespace mobula::object_store {
namespace {

EvictionCandidate Candidate(std::uint32_t n) {
  return {.id = ObjectId::OfTask(TaskId(), n), .size_bytes = 1, .created_order = n};
}

std::vector<std::uint64_t> Drain(EvictionPolicy& policy) {
  std::vector<std::uint64_t> order;
  while (const auto victim = policy.Victim()) {
    for (std::uint32_t n = 1; n < 10; ++n) {
      if (Candidate(n).id == *victim) order.push_back(n);
    }
    policy.Remove(*victim);
  }
  return order;
}

/// Adds 1, 2, 3, then uses 1: what a pin and its release do.
void UseTheFirst(EvictionPolicy& policy) {
  for (std::uint32_t n = 1; n <= 3; ++n) policy.Add(Candidate(n));
  policy.Remove(Candidate(1).id);
  policy.Add(Candidate(1));
  policy.Remove(Candidate(9).id);  // unknown is fine
}

TEST(LruPolicyTest, UseDefersEviction) {
  const auto policy = MakeLruPolicy();
  UseTheFirst(*policy);
  EXPECT_EQ(Drain(*policy), (std::vector<std::uint64_t>{2, 3, 1}));
}

TEST(FifoPolicyTest, UseChangesNothing) {
  const auto policy = MakeFifoPolicy();
  UseTheFirst(*policy);
  EXPECT_EQ(Drain(*policy), (std::vector<std::uint64_t>{1, 2, 3}));
}

TEST(EvictionPolicyTest, TheVictimStaysUntilRemoved) {
  const auto policy = MakeLruPolicy();
  policy->Add(Candidate(1));
  EXPECT_EQ(policy->Victim(), policy->Victim());
  EXPECT_TRUE(policy->Victim());
}

}  // namespace
}  // namespace mobula::object_store
