/// \file
/// \brief What every policy must do, as a function that says what one does wrong.
///
/// A function and not a test, so that the suite itself can be tested: wrong policies go through
/// it too, and each must be found out. Each check cites the promise of scheduling_policy.h that it
/// enforces.
#pragma once

#include <set>

#include "tests/components/scheduler/worlds.h"

namespace mobula::scheduler::testing {

/// Makes one policy, the same for the same seed.
using PolicyFactory = std::function<std::unique_ptr<SchedulingPolicy>(std::uint64_t seed)>;
/// What went wrong; empty for a good policy.
using Violations = std::set<std::string>;

/// "Place names a node that …", "Wait … only if …", "Infeasible … only if …", "both name …".
inline void CheckAnswer(const Decision& decision, const ResourceRequest& request,
                        const ClusterView& view, Violations& violations) {
  const Oracle oracle(request, view);
  if (const auto node = Placed(decision)) {
    if (std::ranges::count(oracle.fitting(), *node) == 0) {
      violations.insert("Place names a node that cannot run the request now");
    }
    return;
  }
  const bool waits = std::holds_alternative<decision::Wait>(decision);
  if (!oracle.fitting().empty()) violations.insert("a node fits and was not found");
  if (waits && oracle.feasible().empty()) violations.insert("Wait for what can never be");
  if (!waits && !oracle.feasible().empty()) violations.insert("Infeasible, but a node could");
  const std::string reason = ReasonOf(decision);
  if (reason.empty()) violations.insert("no reason given");
  if (reason.size() > 2000) violations.insert("the reason is not bounded");
  const auto& wanted = request.resources.entries();
  const bool named = std::ranges::any_of(
      wanted, [&](const auto& entry) { return reason.find(entry.first) != std::string::npos; });
  if (waits && !named) violations.insert("the reason does not name the missing resource");
}

/// "The same seed, configuration and history … give the same answer."
inline void CheckRandomWorlds(const PolicyFactory& make, std::uint64_t seed,
                              Violations& violations) {
  Random random(seed);
  ClusterView view;
  std::vector<NodeId> ids;
  for (std::uint64_t i = random.Below(50) + 1; i > 0; --i) ids.push_back(random.NewId<NodeId>());
  view.SetLocal(ids.front());
  const auto policy = make(seed);
  const auto twin = make(seed);
  for (std::uint64_t step = 1; step <= 150; ++step) {
    const NodeId changed = ids[random.Below(ids.size())];
    if (random.Chance(0.1)) {
      view.Remove(changed);
    } else {
      view.Upsert(RandomNode(random, changed, step));
    }
    const ResourceRequest request = RandomRequest(random, ids);
    const Decision decision = policy->Choose(request, view);
    CheckAnswer(decision, request, view, violations);
    const Decision again = twin->Choose(request, view);
    if (Placed(decision) != Placed(again) || decision.index() != again.index()) {
      violations.insert("the same seed and history gave another answer");
    }
    if (const auto node = Placed(decision); node && random.Chance(0.5)) {
      view.Take(*node, request.resources);
    }
  }
}

/// A bigger cluster never turns `Place` into something else.
inline void CheckMonotony(const PolicyFactory& make, std::uint64_t seed, Violations& violations) {
  Random random(seed);
  const std::vector<NodeId> ids = {Node(1), Node(2), Node(3)};
  for (std::uint64_t step = 1; step <= 60; ++step) {
    std::vector<NodeView> nodes;
    for (const NodeId& id : ids) nodes.push_back(RandomNode(random, id, 1));
    ResourceRequest request = RandomRequest(random, ids);
    // A soft wish may rightly turn to waiting when its node grows.
    if (auto* on = std::get_if<OnNode>(&request.strategy)) on->soft = false;
    const auto choose = [&] {
      ClusterView view;
      view.SetLocal(ids.front());
      for (const NodeView& node : nodes) view.Upsert(node);
      return make(seed)->Choose(request, view);
    };
    if (!Placed(choose())) continue;
    NodeView& grown = nodes[random.Below(nodes.size())];
    const ResourceSet more = {{"CPU", 64}, {"GPU", 8}};
    grown.total.Add(more);
    grown.available.Add(more);
    if (!Placed(choose())) violations.insert("a bigger node made a placed request wait");
  }
}

/// "The built-in ones look at a sample of a large cluster", and still find the only node that fits.
inline void CheckLargeCluster(const PolicyFactory& make, Violations& violations) {
  constexpr int kNodes = 10'000;
  Random random(7);
  ClusterView view;
  NodeId last;
  for (int i = 0; i < kNodes; ++i) {
    last = random.NewId<NodeId>();
    view.Upsert(BusyNode(last, {{"CPU", 8}}, {{"CPU", i % 2 == 0 ? 1.0 : 3.0}}));
    if (i == 0) view.SetLocal(last);
  }
  const auto policy = make(1);
  const auto check = [&](const ResourceRequest& request) {
    CheckAnswer(policy->Choose(request, view), request, view, violations);
  };
  for (int i = 0; i < 10; ++i) check(Wants({{"CPU", 2}}));
  check(Wants({{"CPU", 4}}));
  check(Wants({{"CPU", 9}}));
  view.Give(last, {{"CPU", 5}});
  check(Wants({{"CPU", 8}}));
}

/// \return everything that is wrong with the policies that `make` makes.
inline Violations PolicyViolations(const PolicyFactory& make) {
  Violations violations;
  if (make(1)->Name().empty()) violations.insert("the name is empty");
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    CheckRandomWorlds(make, seed, violations);
    CheckMonotony(make, seed, violations);
  }
  CheckLargeCluster(make, violations);
  return violations;
}

}  // namespace mobula::scheduler::testing
