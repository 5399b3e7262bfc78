/// \file
/// \brief Small hand-made clusters, random ones, and an obviously right answer to check against.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "components/base/random.h"
#include "components/scheduler/registration.h"
#include "components/scheduler/strategy_policy.h"

namespace mobula::scheduler::testing {

/// The id whose first byte is `n`, so that its hex begins with it.
inline NodeId Node(std::uint8_t n) {
  std::string bytes(NodeId::kSize, '\0');
  bytes[0] = static_cast<char>(n);
  return NodeId::FromBinaryOrNil(bytes);
}

inline NodeView FreeNode(const NodeId& id, ResourceSet total) {
  NodeView node;
  node.id = id;
  node.available = total;
  node.total = std::move(total);
  node.version = 1;
  return node;
}

inline NodeView BusyNode(const NodeId& id, ResourceSet total, ResourceSet available) {
  NodeView node = FreeNode(id, std::move(total));
  node.available = std::move(available);
  return node;
}

inline ResourceRequest Wants(ResourceSet resources) {
  ResourceRequest request;
  request.resources = std::move(resources);
  return request;
}

inline ResourceRequest WantsNode(ResourceSet resources, const NodeId& id, bool soft) {
  ResourceRequest request = Wants(std::move(resources));
  request.strategy = OnNode{.node = id, .soft = soft};
  return request;
}

/// A map of scalars, as YAML would give it.
inline ConfigValue Config(std::initializer_list<std::pair<const char*, const char*>> entries) {
  ConfigValue::Map map;
  for (const auto& [key, value] : entries) map.emplace(key, ConfigValue(std::string(value)));
  return ConfigValue(std::move(map));
}

inline std::unique_ptr<SchedulingPolicy> Policy(const ConfigValue& config, std::uint64_t seed = 1) {
  auto policy = MakePolicy(BuiltInPolicies(), config, Random(seed));
  EXPECT_TRUE(policy.has_value()) << policy.error().ToString();
  return *std::move(policy);
}

/// The node of a `Place`; nothing for the other two.
inline std::optional<NodeId> Placed(const Decision& decision) {
  const auto* place = std::get_if<decision::Place>(&decision);
  return place == nullptr ? std::nullopt : std::optional(place->node);
}

/// The reason of a `Wait` or an `Infeasible`.
inline std::string ReasonOf(const Decision& decision) {
  if (const auto* wait = std::get_if<decision::Wait>(&decision)) return wait->reason;
  if (const auto* never = std::get_if<decision::Infeasible>(&decision)) return never->reason;
  return "it was placed";
}

/// The filter again, written to be obvious rather than fast.
class Oracle {
 public:
  Oracle(const ResourceRequest& request, const ClusterView& view) : request_(request) {
    for (const auto& [id, node] : view.nodes()) {
      if (!IsFeasible(node)) continue;
      feasible_.push_back(id);
      if (node.available.Covers(request.resources)) fitting_.push_back(id);
    }
    const auto* const on = std::get_if<OnNode>(&request.strategy);
    if (on == nullptr) return;
    if (on->soft && std::ranges::count(feasible_, on->node) == 0) return;
    const auto other = [&](const NodeId& id) { return id != on->node; };
    std::erase_if(feasible_, other);
    std::erase_if(fitting_, other);
  }
  [[nodiscard]] const std::vector<NodeId>& feasible() const { return feasible_; }
  [[nodiscard]] const std::vector<NodeId>& fitting() const { return fitting_; }

 private:
  [[nodiscard]] bool IsFeasible(const NodeView& node) const {
    if (!node.alive || node.draining || !node.total.Covers(request_.resources)) return false;
    return std::ranges::all_of(request_.labels,
                               [&](const LabelTerm& term) { return term.Accepts(node.labels); });
  }

  const ResourceRequest& request_;
  std::vector<NodeId> feasible_;
  std::vector<NodeId> fitting_;
};

inline ResourceSet RandomAmounts(Random& random, std::uint64_t cpus_max) {
  ResourceSet amounts;
  const auto half_units = [&](std::uint64_t most) {
    return Amount::FromDouble(static_cast<double>(random.Below(2 * most + 1)) / 2);
  };
  amounts.Set(kCpu, half_units(cpus_max));
  if (random.Chance(0.3)) amounts.Set(kGpu, half_units(2));
  if (random.Chance(0.3)) amounts.Set(kMemory, half_units(64));
  if (random.Chance(0.1)) amounts.Set("tape", half_units(1));
  return amounts;
}

/// A node in any state that a real one can be in, overcommitted ones included.
inline NodeView RandomNode(Random& random, const NodeId& id, std::uint64_t version) {
  NodeView node = FreeNode(id, RandomAmounts(random, 8));
  for (const auto& [name, amount] : node.total.entries()) {
    const auto taken =
        static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(amount.units()) + 5000));
    if (random.Chance(0.7)) node.available.Set(name, Amount::FromUnits(amount.units() - taken));
  }
  if (random.Chance(0.5)) node.labels["zone"] = random.Chance(0.5) ? "a" : "b";
  node.draining = random.Chance(0.1);
  node.alive = !random.Chance(0.05);
  node.queued_requests = random.Below(4);
  node.version = version;
  return node;
}

inline ResourceRequest RandomRequest(Random& random, const std::vector<NodeId>& ids) {
  ResourceRequest request = Wants(RandomAmounts(random, random.Chance(0.1) ? 20 : 4));
  const auto any = [&] { return ids[random.Below(ids.size())]; };
  if (random.Chance(0.2)) request.strategy = Spread{};
  if (random.Chance(0.2)) {
    const NodeId node = random.Chance(0.8) ? any() : random.NewId<NodeId>();
    request.strategy = OnNode{.node = node, .soft = random.Chance(0.5)};
  }
  if (random.Chance(0.2)) {
    request.labels.push_back(*LabelTerm::Parse("zone", random.Chance(0.5) ? "a" : "!in(a, c)"));
  }
  if (random.Chance(0.3)) request.locality[any()] = random.Below(1000);
  return request;
}

}  // namespace mobula::scheduler::testing
