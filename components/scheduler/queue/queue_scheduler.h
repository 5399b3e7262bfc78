/// \file
/// \brief The built-in `Scheduler`: a queue by shape, a policy, and the node's books.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "components/scheduler/queue/ask_queue.h"
#include "components/scheduler/scheduler.h"

namespace mobula::scheduler {

/// Named bounds of a `QueueScheduler`.
struct QueueSchedulerOptions {
  std::string name;
  /// How often one ask may be sent on before the node that has it must keep it. 0: no ask ever
  /// leaves this node, which makes the scheduler a local one.
  std::uint32_t spill_hops_max = 0;
  std::size_t queue_asks_max = 1'000'000;
};

/// Bottom-up scheduling: every node decides about what it is asked, with its own picture of the
/// cluster. A spilled ask is subtracted from the picture of the node it goes to until that node
/// reports anew, so that one idle node does not get the whole queue; the node it reaches decides
/// again, with its own books, so a stale picture costs a hop and never capacity.
class QueueScheduler final : public Scheduler {
 public:
  /// \param policy asked for asks that may leave; must answer for pinned requests too.
  QueueScheduler(QueueSchedulerOptions options, NodeView local,
                 std::unique_ptr<SchedulingPolicy> policy);

  Result<void> Submit(LeaseAsk ask) override;
  bool Cancel(std::uint64_t ticket) override;
  std::vector<Action> Step() override;
  void Return(const ResourceSet& resources) override;
  void Lend(const ResourceSet& resources) override;
  void TakeBack(const ResourceSet& resources) override;
  bool TryTake(const ResourceSet& resources) override;
  void ChangeTotal(const ResourceSet& added, const ResourceSet& removed) override;
  void UpdateNode(NodeView node) override;
  bool ForgetSpill(const action::SpillTo& spill) override;
  void RemoveNode(const NodeId& id) override;
  std::string Why(std::uint64_t ticket) const override;
  bool IsInfeasible(std::uint64_t ticket) const override;
  std::vector<QueuedShape> Queue() const override;
  const NodeView& Local() const override { return *view_.local(); }
  const ClusterView& View() const override { return view_; }
  std::string_view Name() const override { return options_.name; }
  void CheckInvariants() const override;

 private:
  [[nodiscard]] AskClassKey ClassOf(const LeaseAsk& ask) const;
  [[nodiscard]] Decision Decide(AskClasses::value_type& shape);
  void Settle(AskClasses::value_type& shape, std::vector<Action>& actions);
  void ReportInfeasible(AskClass& members, std::vector<Action>& actions);
  void Free(const ResourceSet& resources);
  void ReplaceLocal(NodeView node);
  void OnChange(const NodeId& id, ViewChange change);
  [[nodiscard]] std::string WhyNotNow(const AskClassKey& key) const;
  [[nodiscard]] std::string Reason(const AskClassKey& key, const AskClass& members) const;

  const QueueSchedulerOptions options_;
  const std::unique_ptr<SchedulingPolicy> policy_;
  ClusterView view_;
  AskQueue queue_;
  std::vector<std::uint64_t> late_;  // tickets that joined a class known to be infeasible
  ResourceSet granted_;
  ResourceSet lent_;  // part of granted_
};

/// `kind: distributed`: bottom-up with spillback. Keys: `policy` (a map, see MakePolicy),
/// `spill_hops_max` 3, `queue_asks_max` 1000000.
/// `kind: local`: never leaves the node. Key: `queue_asks_max` 1000000.
[[nodiscard]] Result<std::unique_ptr<Scheduler>> MakeQueueScheduler(
    const ConfigValue& config, NodeView local, const Registry<PolicyMaker>& policies,
    Random random);

}  // namespace mobula::scheduler
