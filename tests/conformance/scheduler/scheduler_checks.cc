#include "tests/conformance/scheduler/scheduler_checks.h"

#include <map>

namespace mobula::scheduler::testing {
namespace {

constexpr std::uint32_t kHopsMax = 3;

/// Drives one scheduler as a lease manager might, and remembers what it was told.
class Driver {
 public:
  Driver(const SchedulerFactory& make, std::uint64_t seed, Sends sends,
         std::set<std::string>& violations)
      : random_(seed), sends_(sends), violations_(violations) {
    for (int i = 0; i < 6; ++i) ids_.push_back(random_.NewId<NodeId>());
    NodeView local = FreeNode(ids_[0], {{"CPU", 4}, {"GPU", 1}});
    view_.SetLocal(local.id);
    view_.Upsert(local);
    scheduler_ = make(std::move(local), seed);
  }

  void Event() {
    switch (random_.Below(8)) {
      case 0:
      case 1:
      case 2: return Submit();
      case 3: return Cancel();
      case 4: return EndLease();
      case 5: return Block();
      case 6: return Wake();
      default: return News();
    }
  }

  /// Steps and checks every action against what was requested. \return the actions as text.
  std::string Step() {
    scheduler_->CheckInvariants();
    const std::vector<Action> actions = scheduler_->Step();
    for (const Action& action : actions) Take(action);
    scheduler_->CheckInvariants();
    if (scheduler_->Local().version > view_.local()->version) view_.Upsert(scheduler_->Local());
    CheckWaiting();
    return Text(actions);
  }

  /// Ends all leases until none is left: whatever can ever run here has run.
  void Drain() {
    while (!blocked_.empty()) Wake();
    while (!leases_.empty()) {
      EndLease();
      Step();
    }
    Expect(scheduler_->Local().available == scheduler_->Local().total,
           "all leases are over, and the node is not free");
  }

  [[nodiscard]] std::size_t spills() const { return spills_; }
  [[nodiscard]] std::size_t grants() const { return grants_; }

 private:
  void Expect(bool holds, const char* violation) {
    if (!holds) violations_.insert(violation);
  }
  void Submit() {
    LeaseRequest request = Request(next_ticket_++, RandomRequest(random_, ids_));
    request = Of(static_cast<std::uint8_t>(random_.Below(4)), std::move(request));
    request.depth = static_cast<std::uint32_t>(random_.Below(4));
    request.hops = static_cast<std::uint32_t>(random_.Below(4));
    queued_.emplace(request.ticket, request);
    Expect(scheduler_->Submit(request).has_value(), "a good request was not queued");
    Expect(!scheduler_->Submit(request), "a ticket was queued twice");
  }
  void Cancel() {
    if (next_ticket_ == 0) return;
    const std::uint64_t ticket = random_.Below(next_ticket_);
    const bool was_queued = queued_.erase(ticket) == 1;
    Expect(scheduler_->Cancel(ticket) == was_queued, "Cancel is wrong about what is queued");
  }
  ResourceSet TakeOut(std::vector<ResourceSet>& from) {
    const std::size_t index = random_.Below(from.size());
    std::swap(from[index], from.back());
    ResourceSet out = std::move(from.back());
    from.pop_back();
    return out;
  }
  void EndLease() {
    if (!leases_.empty()) scheduler_->Return(TakeOut(leases_));
  }
  void Block() {
    if (leases_.empty()) return;
    blocked_.push_back(TakeOut(leases_));
    scheduler_->LendFromBlocked(blocked_.back());
  }
  void Wake() {
    if (blocked_.empty()) return;
    leases_.push_back(TakeOut(blocked_));
    scheduler_->RestoreToUnblocked(leases_.back());
  }
  void News() {
    const NodeId id = ids_[1 + random_.Below(ids_.size() - 1)];
    if (random_.Chance(0.2)) {
      view_.Remove(id);
      return scheduler_->RemoveNode(id);
    }
    const NodeView node = RandomNode(random_, id, ++version_);
    view_.Upsert(node);
    scheduler_->UpdateNode(node);
  }

  void Take(const Action& action) {
    const auto queued = queued_.find(TicketOf(action));
    if (queued == queued_.end()) {
      return Expect(false, "an action for a request that is not queued");
    }
    const LeaseRequest& request = queued->second;
    if (const auto* never = std::get_if<action::Infeasible>(&action)) {
      Expect(!never->reason.empty(), "infeasible without a reason");
      return Expect(scheduler_->IsInfeasible(never->ticket), "reported infeasible, and is not");
    }
    if (const auto* grant = std::get_if<action::Grant>(&action)) {
      Expect(grant->resources == request.wants.resources, "a grant of other resources");
      leases_.push_back(grant->resources);
      ++grants_;
    } else if (const auto* spill = std::get_if<action::SpillTo>(&action)) {
      Expect(sends_ != Sends::kNothing, "a local scheduler sent a request away");
      Expect(request.hops < kHopsMax, "one hop too many");
      Expect(spill->node != ids_[0], "spilled to itself");
      Expect(view_.Find(spill->node) != nullptr, "spilled to a node that is not there");
      view_.Take(spill->node, spill->resources);
      ++spills_;
    } else {
      Expect(!std::get<action::Reject>(action).reason.empty(), "rejected without a reason");
      Expect(request.hops >= 1, "rejected, though it came from nowhere else");
    }
    queued_.erase(queued);
  }

  /// No wake-up is lost: what still waits fits on no node that it may go to.
  void CheckWaiting() {
    for (const auto& [ticket, request] : queued_) {
      const Oracle oracle(request.wants, view_);
      const std::vector<NodeId>& fitting = oracle.fitting();
      Expect(std::ranges::count(fitting, ids_[0]) == 0, "a request waits that fits here");
      if (sends_ != Sends::kToAny || request.hops >= kHopsMax) continue;
      Expect(fitting.empty(), "a request waits that fits on a node it may go to");
      Expect(scheduler_->IsInfeasible(ticket) == oracle.feasible().empty(),
             "IsInfeasible is wrong about a queued request");
    }
    std::size_t queued = 0;
    for (const QueuedShape& shape : scheduler_->Queue()) {
      queued += shape.count;
      Expect(!shape.reason.empty(), "a queued request cannot say why it waits");
    }
    Expect(queued == queued_.size(), "Queue counts other requests than are queued");
    Expect(scheduler_->Local().queued_requests == queued, "Local counts other requests");
    Expect(!scheduler_->IsInfeasible(next_ticket_), "infeasible, and was never queued");
  }

  Random random_;
  const Sends sends_;
  std::set<std::string>& violations_;
  std::vector<NodeId> ids_;
  std::unique_ptr<Scheduler> scheduler_;
  ClusterView view_;  // what the scheduler was told, less what it spilled
  std::map<std::uint64_t, LeaseRequest> queued_;
  std::vector<ResourceSet> leases_;
  std::vector<ResourceSet> blocked_;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t version_ = 0;
  std::size_t spills_ = 0;
  std::size_t grants_ = 0;
};

}  // namespace

std::set<std::string> SchedulerViolations(const SchedulerFactory& make, Sends sends) {
  std::set<std::string> violations;
  if (make(FreeNode(Node(1), {}), 1)->Name().empty()) violations.insert("the name is empty");
  std::size_t grants = 0;
  std::size_t spills = 0;
  for (std::uint64_t seed = 1; seed <= 25 && violations.empty(); ++seed) {
    Driver driver(make, seed, sends, violations);
    Driver twin(make, seed, sends, violations);
    for (int i = 0; i < 300 && violations.empty(); ++i) {
      driver.Event();
      twin.Event();
      if (i % 3 == 0 && driver.Step() != twin.Step()) {
        violations.insert("the same seed took other actions");
      }
    }
    if (violations.empty()) driver.Drain();
    grants += driver.grants();
    spills += driver.spills();
  }
  if (!violations.empty()) return violations;
  if (grants <= 100) violations.insert("it hardly grants anything");
  if (sends == Sends::kToAny && spills == 0) violations.insert("it never sends a request on");
  return violations;
}

}  // namespace mobula::scheduler::testing
