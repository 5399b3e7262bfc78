#include <gtest/gtest.h>

#include "tests/components/object_store/stores.h"

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
  const auto policy = MakePolicy("lru");
  UseTheFirst(*policy);
  EXPECT_EQ(Drain(*policy), (std::vector<std::uint64_t>{2, 3, 1}));
}

TEST(FifoPolicyTest, UseChangesNothing) {
  const auto policy = MakePolicy("fifo");
  UseTheFirst(*policy);
  EXPECT_EQ(Drain(*policy), (std::vector<std::uint64_t>{1, 2, 3}));
}

EvictionCandidate Sized(std::uint32_t n, std::uint64_t size_bytes) {
  return {.id = ObjectId::OfTask(TaskId(), n), .size_bytes = size_bytes, .created_order = n};
}

/// Adds four objects of which the second and the last are large.
void AddTwoLarge(EvictionPolicy& policy) {
  policy.Add(Sized(1, 10));
  policy.Add(Sized(2, 500));
  policy.Add(Sized(3, 10));
  policy.Add(Sized(4, 900));
}

TEST(LargestFirstPolicyTest, TheLargestOfThoseComparedGoesFirst) {
  const auto policy = MakePolicy("largest_first", {{"among", "3"}});
  AddTwoLarge(*policy);
  // 4 is the largest of all, and yet protected until it is among the three used longest ago.
  EXPECT_EQ(Drain(*policy), (std::vector<std::uint64_t>{2, 4, 1, 3}));
}

TEST(LargestFirstPolicyTest, AmongOneIsLru) {
  const auto policy = MakePolicy("largest_first", {{"among", "1"}});
  AddTwoLarge(*policy);
  EXPECT_EQ(Drain(*policy), (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST(LargestFirstPolicyTest, ABadKeyIsRefusedByItsPlace) {
  const auto policy = TryMakePolicy("largest_first", {{"among", "0"}});
  ASSERT_FALSE(policy);
  EXPECT_EQ(policy.error().message(),
            "object_store.eviction.among is '0'; a whole number from 1 to 1000 is wanted");
}

}  // namespace
}  // namespace mobula::object_store
