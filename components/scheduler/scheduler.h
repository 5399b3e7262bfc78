/// \file
/// \brief Which lease requests are granted here, sent elsewhere, or wait; and what is free here.
///
/// One per raylet: a queue, a policy, and the books of the node's own resources. A pure state
/// machine: the lease manager tells it what happened, calls `Step`, and does what comes back.
///
/// ```
///  Submit ──► queued ──Step──► Grant    the resources are taken here; `Return` gives them back
///                │     ├─────► SpillTo  the owner asks that node; gone from here
///                │     ├─────► Reject   the owner asks elsewhere; gone from here
///                │     └─────► Infeasible  still queued, in case nodes join
///                └──Cancel──► gone
/// ```
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "components/base/kinds.h"
#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

/// A request for one worker. `ticket` is the lease manager's name for it, unique while queued.
struct LeaseRequest {
  std::uint64_t ticket = 0;
  WorkerId owner;           ///< For whose tasks the worker is wanted.
  ResourceRequest wants;    ///< What the lease must hold, and where.
  std::uint32_t depth = 0;  ///< Of the task in the tree of tasks; the deeper goes first.
  std::uint32_t hops = 0;   ///< How many raylets sent it on before it came here.
};

/// What the lease manager is to do about one request.
namespace action {
/// Start it here. `resources` are taken until `Return`.
struct Grant {
  std::uint64_t ticket;
  ResourceSet resources;
};
/// Tell the owner to ask `node`, with one hop more. `resources` are subtracted from what the local
/// view believes of it, until it reports something newer than `version` or by `ExpireSpill`.
struct SpillTo {
  std::uint64_t ticket;
  NodeId node;
  ResourceSet resources;
  std::uint64_t version;
};
/// Tell the owner no: it came from other nodes, may go no further, and this one can never serve it.
struct Reject {
  std::uint64_t ticket;
  std::string reason;
};
/// No node is big enough. Reported when that becomes so, once; it stays queued, and may be granted
/// if nodes join or grow: `Cancel` it to give up.
struct Infeasible {
  std::uint64_t ticket;
  std::string reason;
};
}  // namespace action
using Action = std::variant<action::Grant, action::SpillTo, action::Reject, action::Infeasible>;

/// Requests of one shape in the queue: for `status`, and as the autoscaler's demand.
struct QueuedShape {
  ResourceRequest wants;
  std::size_t count = 0;
  bool infeasible = false;
  std::string reason;  ///< The missing resource, and what each of the first few nodes lacks.
};

/// Queue, policy and books of one node.
///
/// Order: the deeper task first; of equal depth, the owners take turns, so that an owner of one
/// request does not wait for all requests of another; then first come first served. Nested
/// fan-outs run depth first, which bounds how many workers are blocked in `Get` at once. A request
/// that does not fit lets others pass. Invariant: granted + available = total + lent, for each
/// resource.
///
/// Threads: one. Lifetime: keeps no reference to its arguments. No call waits or fails late.
class Scheduler {
 public:
  /// What its makers are given beside their keys.
  struct Context {
    const Kinds<SchedulingPolicy>& policies;  ///< What `policy:` may name; for the call only.
    NodeView local;                           ///< This node, all of it free.
    Random random;
  };

  virtual ~Scheduler() = default;

  /// Queues a request; `Step` decides. Cost: O(log requests).
  /// \return kAlreadyExists if the ticket is queued, kInvalidArgument on a negative amount,
  /// kResourceExhausted at `queue_requests_max`.
  [[nodiscard]] virtual Result<void> Submit(LeaseRequest request) = 0;
  /// Forgets a queued request. \return false if it is not queued: granted, spilled or never seen.
  virtual bool Cancel(std::uint64_t ticket) = 0;
  /// Decides whatever can be decided. Call after any other change.
  /// Cost: O(actions + shapes that may fit since the last call), not O(requests).
  [[nodiscard]] virtual std::vector<Action> Step() = 0;

  /// A lease ended. \pre the resources were granted, and are not lent: `RestoreToUnblocked` first.
  virtual void Return(const ResourceSet& resources) = 0;
  /// A worker blocks in `Get`: its CPU may be granted to another. \pre granted and not lent yet.
  virtual void LendFromBlocked(const ResourceSet& resources) = 0;
  /// The worker runs again, at once; `available` goes below zero if another got its CPU.
  virtual void RestoreToUnblocked(const ResourceSet& resources) = 0;

  /// News of a node; older than known is ignored. Of the local node, whose amounts and version this
  /// object keeps, only the rest is taken over: labels, draining, object bytes.
  virtual void UpdateNode(NodeView node) = 0;
  /// A spilled request had time to arrive, and its node to report it. If that node has reported
  /// nothing, the request never came or is over, and what was subtracted for it is added again.
  /// \return false if the node has reported.
  virtual bool ExpireSpill(const action::SpillTo& spill) = 0;
  virtual void RemoveNode(const NodeId& id) = 0;

  /// \return true if it is queued and was, at the last `Step`, too big for every node.
  [[nodiscard]] virtual bool IsInfeasible(std::uint64_t ticket) const = 0;
  [[nodiscard]] virtual std::vector<QueuedShape> Queue() const = 0;
  /// \return this node as others should see it; `version` grows with each change.
  [[nodiscard]] virtual const NodeView& Local() const = 0;
  /// \return the name used in YAML: "local", "distributed".
  [[nodiscard]] virtual std::string_view Name() const = 0;
  /// Aborts if the books do not balance. Cost: O(requests).
  virtual void CheckInvariants() const = 0;
};

}  // namespace mobula::scheduler
