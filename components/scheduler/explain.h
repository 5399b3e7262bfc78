/// \file
/// \edge
/// \brief Says why a request waits or can never be served: what is missing, and who lacks what.
#pragma once

#include <cstddef>
#include <string>

#include "components/scheduler/filter.h"

namespace mobula::scheduler {

/// How many nodes an explanation lists; the others are counted.
inline constexpr std::size_t kExplainNodesMax = 8;

/// \return "waits for CPU: 4: node 3f2a11bc has 2 of 8 free; … and 12 more nodes".
/// Lists the nodes that could, were they empty. Cost: O(nodes).
[[nodiscard]] std::string ExplainWait(const Filter& filter);

/// \return "no node has CPU: 1000 (largest: node 3f2a11bc has 4): …". Cost: O(nodes).
[[nodiscard]] std::string ExplainInfeasible(const Filter& filter);

/// \return what `node` lacks of the request, such as "has CPU: 2 of 8 free, 4 wanted"; "has room"
/// if nothing.
[[nodiscard]] std::string Lack(const Filter& filter, const NodeView& node);

}  // namespace mobula::scheduler
