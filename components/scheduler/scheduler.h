/// \file
/// \brief Which lease asks are granted here, sent elsewhere, or wait; and what is free here.
///
/// One per raylet: a queue, a policy, and the books of the node's own resources. A pure state
/// machine: the lease manager tells it what happened, calls `Step`, and does what comes back.
///
/// ```
///  Submit ──► queued ──Step──► Grant    the resources are taken here; `Return` gives them back
///                │     ├─────► SpillTo  ask that node; gone from here
///                │     ├─────► Reject   tell the asker to ask elsewhere; gone from here
///                │     └─────► Infeasible  still queued, in case nodes join
///                └──Cancel──► gone
/// ```
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "components/base/registry.h"
#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

/// What to do with an ask that cannot be granted at once.
enum class IfBusy : std::uint8_t { kQueue, kReject };

/// One wish for one worker. `ticket` is the lease manager's name for it, unique while queued.
struct LeaseAsk {
  std::uint64_t ticket = 0;
  WorkerId owner;  ///< Who asks.
  ResourceRequest request;
  std::uint32_t depth = 0;  ///< Of the task in the tree of tasks; the deeper goes first.
  std::uint32_t hops = 0;   ///< How many raylets sent it on before it came here.
  IfBusy if_busy = IfBusy::kQueue;
  std::string key_text;  ///< What messages call it: "Square".
};

/// What the lease manager is to do about one ask.
namespace action {
/// Start it here. `resources` are taken until `Return`.
struct Grant {
  std::uint64_t ticket;
  ResourceSet resources;
};
/// Tell the asker to ask `node`, with one hop more. `resources` are subtracted from what the local
/// view believes of it, until it reports something newer than `version` or by `ForgetSpill`.
struct SpillTo {
  std::uint64_t ticket;
  NodeId node;
  ResourceSet resources;
  std::uint64_t version;
};
/// Tell the asker no.
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

/// Asks of one shape in the queue: for `status`, and as the autoscaler's demand.
struct QueuedShape {
  ResourceRequest request;
  std::size_t count = 0;
  std::uint64_t first_ticket = 0;
  bool infeasible = false;
  std::string reason;
};

/// Queue, policy and books of one node.
///
/// Order: the deeper task first; of equal depth, the owners take turns, so that who asks for one
/// worker does not wait for all that another asks for; then first come first served. Nested
/// fan-outs run depth first, which bounds how many workers are blocked in `Get` at once. An ask
/// that does not fit lets others pass. Invariant: granted + available = total + lent, for each
/// resource.
///
/// Threads: one. Lifetime: keeps no reference to its arguments. No call waits or fails late.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// Queues an ask; `Step` decides. Cost: O(log asks).
  /// \return kAlreadyExists if the ticket is queued, kInvalidArgument on a negative amount,
  /// kResourceExhausted at `queue_asks_max`.
  [[nodiscard]] virtual Result<void> Submit(LeaseAsk ask) = 0;
  /// Forgets a queued ask. \return false if it is not queued: granted, spilled or never asked.
  virtual bool Cancel(std::uint64_t ticket) = 0;
  /// Decides whatever can be decided. Call after any other change.
  /// Cost: O(actions + shapes that may fit since the last call), not O(asks).
  [[nodiscard]] virtual std::vector<Action> Step() = 0;

  /// A lease ended. \pre the resources were granted, and are not lent: `TakeBack` comes first.
  virtual void Return(const ResourceSet& resources) = 0;
  /// A worker blocks in `Get`: its CPU may be granted to another. \pre granted and not lent yet.
  virtual void Lend(const ResourceSet& resources) = 0;
  /// The worker runs again, at once; `available` goes below zero if another got its CPU.
  virtual void TakeBack(const ResourceSet& resources) = 0;
  /// Grants without an ask, such as a bundle of a placement group. \return false if not available.
  [[nodiscard]] virtual bool TryTake(const ResourceSet& resources) = 0;
  /// Changes what this node has in total, such as the names of a placement group's bundle.
  virtual void ChangeTotal(const ResourceSet& added, const ResourceSet& removed) = 0;

  /// News of a node; older than known is ignored. Of the local node, whose amounts and version this
  /// object keeps, only the rest is taken over: labels, draining, object bytes.
  virtual void UpdateNode(NodeView node) = 0;
  /// The ask had time to arrive, and its node to report it. If that has reported nothing, it has no
  /// work from this ask: it never came, or is over. \return false if it has reported.
  virtual bool ForgetSpill(const action::SpillTo& spill) = 0;
  virtual void RemoveNode(const NodeId& id) = 0;

  /// \return why this ask waits: the missing resource, and what each of the first few nodes lacks;
  /// "" if it is not queued.
  [[nodiscard]] virtual std::string Why(std::uint64_t ticket) const = 0;
  /// \return true if it is queued and was, at the last `Step`, too big for every node.
  [[nodiscard]] virtual bool IsInfeasible(std::uint64_t ticket) const = 0;
  [[nodiscard]] virtual std::vector<QueuedShape> Queue() const = 0;
  /// \return this node as others should see it; `version` grows with each change.
  [[nodiscard]] virtual const NodeView& Local() const = 0;
  [[nodiscard]] virtual const ClusterView& View() const = 0;
  /// \return the name used in YAML: "local", "distributed".
  [[nodiscard]] virtual std::string_view Name() const = 0;
  /// Aborts if the books do not balance. Cost: O(asks).
  virtual void CheckInvariants() const = 0;
};

/// Builds one kind of scheduler from its map in YAML. `local` is this node, all of it free.
/// kInvalidArgument on an unknown key, kind or value.
using SchedulerMaker = std::function<Result<std::unique_ptr<Scheduler>>(
    const ConfigValue& config, NodeView local, const Registry<PolicyMaker>& policies,
    Random random)>;

}  // namespace mobula::scheduler
