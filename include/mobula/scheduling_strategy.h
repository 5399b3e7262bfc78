/// \file
/// \edge
/// \brief `SchedulingStrategy`: where a task asks to run, in one form from the API to the policy.
///
/// `.With({...})` makes one from what the user wrote and refuses a wrong node id there; a raylet
/// makes one from a lease request and answers a malformed one with an error. Everything between
/// compares, orders and hands on a value that is known to be valid: the task's options, the
/// scheduling key of its leases, the request that a `SchedulingPolicy` sees. A further strategy,
/// such as wanted labels or a bundle of a placement group, is a further alternative here, in the
/// message of common.proto and in protocol/convert.cc.
#pragma once

#include <compare>
#include <string>
#include <variant>

#include "components/base/ids.h"

namespace mobula {

/// Where the cluster's own policy puts it.
struct DefaultScheduling {
  friend auto operator<=>(const DefaultScheduling&, const DefaultScheduling&) = default;
};
/// Over as many nodes as possible.
struct Spread {
  friend auto operator<=>(const Spread&, const Spread&) = default;
};
/// On this node, busy or not; with `soft`, elsewhere if that node is gone or too small even when
/// empty. Users write `NodeAffinity` (options.h), which has the id as text.
struct OnNode {
  NodeId node;
  bool soft = false;
  friend auto operator<=>(const OnNode&, const OnNode&) = default;
};

/// A value, equal and ordered by all that it says.
using SchedulingStrategy = std::variant<DefaultScheduling, Spread, OnNode>;

/// \return "default", "spread", "node 3f2a…" or "node 3f2a… (soft)": another text for each value.
[[nodiscard]] inline std::string ToText(const SchedulingStrategy& strategy) {
  if (std::holds_alternative<Spread>(strategy)) return "spread";
  const auto* const on = std::get_if<OnNode>(&strategy);
  if (on == nullptr) return "default";
  return "node " + on->node.Hex() + (on->soft ? " (soft)" : "");
}

}  // namespace mobula
