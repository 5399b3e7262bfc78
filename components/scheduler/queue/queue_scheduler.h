/// \file
/// \brief Schedulers `distributed` and `local`: a queue by shape, a policy, and the node's books.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "components/scheduler/queue/request_queue.h"
#include "components/scheduler/scheduler.h"

namespace mobula::scheduler {

/// Named bounds of a `QueueScheduler`.
struct QueueSchedulerOptions {
  std::string name;
  /// How often one request may be sent on before the node that has it must keep it. 0: no request
  /// ever leaves this node, which makes the scheduler a local one.
  std::uint32_t spill_hops_max = 0;
  std::size_t queue_requests_max = 1'000'000;
};

/// Bottom-up scheduling: every node decides about its own requests, with its own picture of the
/// cluster. A spilled request is subtracted from the picture of the node it goes to until that node
/// reports anew, so that one idle node does not get the whole queue; the node it reaches decides
/// again, with its own books, so a stale picture costs a hop and never capacity.
class QueueScheduler final : public Scheduler {
 public:
  /// \param policy decides about requests that may leave, and must answer for pinned ones too.
  QueueScheduler(QueueSchedulerOptions options, NodeView local,
                 std::unique_ptr<SchedulingPolicy> policy);

  Result<void> Submit(LeaseRequest request) override;
  bool Cancel(std::uint64_t ticket) override;
  std::vector<Action> Step() override;
  void Return(const ResourceSet& resources) override;
  void LendFromBlocked(const ResourceSet& resources) override;
  void RestoreToUnblocked(const ResourceSet& resources) override;
  void UpdateNode(NodeView node) override;
  bool ExpireSpill(const action::SpillTo& spill) override;
  void RemoveNode(const NodeId& id) override;
  bool IsInfeasible(std::uint64_t ticket) const override;
  std::vector<QueuedShape> Queue() const override;
  const NodeView& Local() const override { return *view_.local(); }
  std::string_view Name() const override { return options_.name; }
  void CheckInvariants() const override;

 private:
  [[nodiscard]] RequestClassKey ClassOf(const LeaseRequest& request) const;
  [[nodiscard]] Decision Decide(RequestClasses::value_type& shape);
  /// Decides about the best request of `shape` and does what follows from it in queue and books.
  void ActOn(RequestClasses::value_type& shape, std::vector<Action>& actions);
  void ReportInfeasible(RequestClass& members, std::vector<Action>& actions);
  void Free(const ResourceSet& resources);
  void OnChange(const NodeId& id, ViewChange change);
  [[nodiscard]] std::string Reason(const RequestClassKey& key, const RequestClass& members) const;

  const QueueSchedulerOptions options_;
  const std::unique_ptr<SchedulingPolicy> policy_;
  ClusterView view_;
  RequestQueue queue_;
  std::vector<std::uint64_t> late_;  // tickets that joined a class known to be infeasible
  ResourceSet granted_;
  ResourceSet lent_;  // part of granted_
};

/// `distributed`: bottom-up with spillback. Keys: `policy` (a map, see MakePolicy),
/// `spill_hops_max` 3, `queue_requests_max` 1000000.
[[nodiscard]] Result<std::unique_ptr<Scheduler>> MakeDistributedScheduler(
    ConfigReader& config, const Scheduler::Context& context);
/// `local`: no request leaves the node. Key: `queue_requests_max` 1000000.
[[nodiscard]] Result<std::unique_ptr<Scheduler>> MakeLocalScheduler(
    ConfigReader& config, const Scheduler::Context& context);

inline constexpr Kind<Scheduler> kDistributed{"distributed", MakeDistributedScheduler};
inline constexpr Kind<Scheduler> kLocal{"local", MakeLocalScheduler};

}  // namespace mobula::scheduler
