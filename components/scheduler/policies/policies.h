/// \file
/// \brief The built-in policies: which of the nodes that fit gets a request.
///
/// Each maker reads the keys of its kind. `sample_nodes` is how many nodes one decision weighs at
/// most; 0: all of them.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

using MadePolicy = Result<std::unique_ptr<SchedulingPolicy>>;

/// Ray's default: fill this node to a threshold, then spread over the least used.
///
/// Scores a node by its critical use, or 0 below `spread_threshold`, so that half-empty nodes are
/// all alike. The preferred node (where the arguments lie, else the local one) wins unless another
/// scores lower; then a random one of the best `top_k_fraction` is taken, so that many raylets with
/// the same picture do not all pick the same node. Requests without GPU avoid nodes with GPU while
/// others fit.
///
/// Keys: `spread_threshold` 0.5, `top_k_fraction` 0.2, `top_k_nodes_min` 1, `avoid_gpu_nodes` true,
/// `sample_nodes` 32. With no more nodes than `sample_nodes` this is exactly the policy of Ray.
[[nodiscard]] MadePolicy MakeHybridPolicy(const ConfigValue& config, Random random);

/// The node with the shortest queue, then the least used. Key: `sample_nodes` 32. Ties go to
/// chance.
[[nodiscard]] MadePolicy MakeLeastLoadedPolicy(const ConfigValue& config, Random random);

/// The node that already holds most bytes of the arguments: moves the computation to the data,
/// however busy the node is, as long as it fits. Without hints, or where no hinted node fits: the
/// least used of a sample. Key: `sample_nodes` 32.
[[nodiscard]] MadePolicy MakeLocalityPolicy(const ConfigValue& config, Random random);

/// The most used node that still fits: leaves whole nodes free for big requests and for the
/// autoscaler to remove. Key: `sample_nodes` 32, taken from the nodes with least free.
[[nodiscard]] MadePolicy MakePackPolicy(const ConfigValue& config, Random random);

/// Two nodes by chance, and the less loaded of them. Nearly as even as looking at all of them, at
/// the cost of looking at two (Mitzenmacher); and many deciders with one stale picture do not meet
/// on one node. No keys. Cost: O(1) while many fit.
[[nodiscard]] MadePolicy MakePowerOfTwoPolicy(const ConfigValue& config, Random random);

/// Any node that fits, each as likely. The baseline to beat. No keys. Cost: O(1) while many fit.
[[nodiscard]] MadePolicy MakeRandomPolicy(const ConfigValue& config, Random random);

/// The next node, in the order of ids, that fits: blind to load, but fair and simple. No keys.
/// Cost: O(nodes skipped).
[[nodiscard]] MadePolicy MakeRoundRobinPolicy(const ConfigValue& config, Random random);

/// The least used node, and of equals the one whose turn it is. The strategy `Spread` asks for this
/// one. Key: `sample_nodes` 32.
[[nodiscard]] MadePolicy MakeSpreadPolicy(const ConfigValue& config, Random random);

}  // namespace mobula::scheduler
