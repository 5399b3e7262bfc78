/// \file
/// \brief Scheduling policy `hybrid`, Ray's default: fills this node to a threshold, then spreads
/// over the least used.
///
/// Scores a node by its critical use, or 0 below `spread_threshold`, so that half-empty nodes are
/// all alike. The preferred node (where the arguments lie, else the local one) wins unless another
/// scores lower; then a random one of the best `top_k_fraction` is taken, so that many raylets with
/// the same picture do not all pick the same node. Requests without GPU avoid nodes with GPU while
/// others fit.
///
/// Keys: `spread_threshold` 0.5, `top_k_fraction` 0.2, `top_k_nodes_min` 1, `avoid_gpu_nodes` true,
/// `sample_nodes` 32. With no more nodes than `sample_nodes` this is exactly the policy of Ray.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

[[nodiscard]] Result<std::unique_ptr<SchedulingPolicy>> MakeHybridPolicy(
    ConfigReader& config, const SchedulingPolicy::Context& context);

inline constexpr Kind<SchedulingPolicy> kHybridPolicy{"hybrid", MakeHybridPolicy};

}  // namespace mobula::scheduler
