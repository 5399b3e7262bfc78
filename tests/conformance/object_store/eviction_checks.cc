#include "tests/conformance/object_store/eviction_checks.h"

#include <fmt/core.h>

#include <set>

#include "components/base/random.h"

namespace mobula::object_store::conformance {
namespace {

using Violation = std::optional<std::string>;

EvictionCandidate Candidate(std::uint32_t n) {
  return {.id = ObjectId::OfTask(TaskId(), n), .size_bytes = 64 * (1 + n % 7), .created_order = n};
}

void Add(EvictionPolicy& policy, std::uint32_t count) {
  for (std::uint32_t n = 1; n <= count; ++n) policy.Add(Candidate(n));
}

Violation ThereIsNoVictimWithoutObjects(const PolicyFactory& make) {
  const auto policy = make();
  if (policy->Victim()) return "a new policy has a victim";
  policy->Add(Candidate(1));
  policy->Remove(Candidate(1).id);
  if (policy->Victim()) return "a victim is left when the only object was removed";
  return {};
}

Violation TheVictimStaysUntilItIsRemoved(const PolicyFactory& make) {
  const auto policy = make();
  Add(*policy, 3);
  const auto first = policy->Victim();
  if (!first) return "there are objects and no victim";
  if (policy->Victim() != first) return "to ask for the victim changes it";
  policy->Remove(*first);
  if (policy->Victim() == first) return "the victim was removed and is named again";
  return {};
}

Violation WhatMayNotBeEvictedIsNoVictim(const PolicyFactory& make) {
  const auto policy = make();
  Add(*policy, 5);
  for (const std::uint32_t pinned : {1U, 3U, 5U}) policy->Remove(Candidate(pinned).id);
  for (int left = 2; left > 0; --left) {
    const auto victim = policy->Victim();
    if (!victim) return "an object that may be evicted is never named";
    if (*victim != Candidate(2).id && *victim != Candidate(4).id) return "a pinned one was named";
    policy->Remove(*victim);
  }
  return policy->Victim() ? Violation("somebody is named who is pinned") : Violation();
}

Violation RemovingTheUnknownChangesNothing(const PolicyFactory& make) {
  const auto policy = make();
  policy->Remove(Candidate(9).id);
  Add(*policy, 2);
  const auto victim = policy->Victim();
  policy->Remove(Candidate(9).id);
  return policy->Victim() == victim ? Violation() : "another victim after removing the unknown";
}

Violation WhatIsReleasedMayBeEvictedAgain(const PolicyFactory& make) {
  const auto policy = make();
  for (int round = 0; round < 3; ++round) {
    policy->Add(Candidate(1));
    if (policy->Victim() != Candidate(1).id) return "what was added again is not named";
    policy->Remove(Candidate(1).id);
  }
  return {};
}

/// A long random run: the victim is always one of those that may be evicted, and every one of them
/// is named in the end.
Violation TheVictimIsAlwaysOneThatMayBeEvicted(const PolicyFactory& make) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto policy = make();
    Random random(seed);
    std::set<ObjectId> evictable;
    for (int step = 0; step < 2000; ++step) {
      const EvictionCandidate one = Candidate(static_cast<std::uint32_t>(random.Below(40)));
      if (evictable.contains(one.id) || random.Chance(0.3)) {
        policy->Remove(one.id);
        evictable.erase(one.id);
      } else {
        policy->Add(one);
        evictable.insert(one.id);
      }
      const auto victim = policy->Victim();
      if (victim.has_value() == evictable.empty() || (victim && !evictable.contains(*victim))) {
        return fmt::format("seed {} step {}: the victim is not one of {} objects", seed, step,
                           evictable.size());
      }
    }
    for (; !evictable.empty(); policy->Remove(*policy->Victim())) {
      if (!policy->Victim() || evictable.erase(*policy->Victim()) == 0) {
        return fmt::format("seed {}: {} objects are never named", seed, evictable.size());
      }
    }
  }
  return {};
}

Violation TheSameCallsGiveTheSameVictims(const PolicyFactory& make) {
  const auto order = [&make] {
    const auto policy = make();
    Random random(7);
    std::vector<ObjectId> victims;
    for (std::uint32_t n = 0; n < 500; ++n) {
      policy->Add(Candidate(n));
      if (const auto victim = policy->Victim(); random.Chance(0.6)) {
        victims.push_back(*victim);
        policy->Remove(*victim);
      }
    }
    return victims;
  };
  return order() == order() ? Violation() : "two runs of the same calls chose different victims";
}

}  // namespace

const std::vector<EvictionCheck>& EvictionChecks() {
  static const std::vector<EvictionCheck> checks = {
      {"ThereIsNoVictimWithoutObjects", "nullopt if there is none", ThereIsNoVictimWithoutObjects},
      {"TheVictimStaysUntilItIsRemoved", "the next victim, which stays until removed",
       TheVictimStaysUntilItIsRemoved},
      {"WhatMayNotBeEvictedIsNoVictim", "The object may no longer be evicted, or is gone.",
       WhatMayNotBeEvictedIsNoVictim},
      {"RemovingTheUnknownChangesNothing", "Unknown is fine.", RemovingTheUnknownChangesNothing},
      {"WhatIsReleasedMayBeEvictedAgain", "a pin removes, the last release adds again",
       WhatIsReleasedMayBeEvictedAgain},
      {"TheVictimIsAlwaysOneThatMayBeEvicted", "Orders the objects that may be evicted.",
       TheVictimIsAlwaysOneThatMayBeEvicted},
      {"TheSameCallsGiveTheSameVictims", "Victims depend on the calls alone",
       TheSameCallsGiveTheSameVictims},
  };
  return checks;
}

}  // namespace mobula::object_store::conformance
