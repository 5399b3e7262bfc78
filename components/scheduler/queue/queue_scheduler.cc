#include "components/scheduler/queue/queue_scheduler.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/scheduler/filter.h"
#include "components/scheduler/strategy_policy.h"

namespace mobula::scheduler {
namespace {

bool Keeps(Reach reach) { return reach == Reach::kHere || reach == Reach::kNoFurther; }

/// \return the node other than `local` that the request insists on; null if there is none.
const NodeId* WantedElsewhere(const ResourceRequest& request, const NodeId& local) {
  const auto* const on = std::get_if<OnNode>(&request.strategy);
  return on != nullptr && !on->soft && on->node != local ? &on->node : nullptr;
}

}  // namespace

QueueScheduler::QueueScheduler(QueueSchedulerOptions options, NodeView local,
                               std::unique_ptr<SchedulingPolicy> policy)
    : options_(std::move(options)), policy_(std::move(policy)) {
  Check(local.available == local.total, "a scheduler begins with all of its node free");
  view_.SetLocal(local.id);
  view_.Upsert(std::move(local));
}

Result<void> QueueScheduler::Submit(LeaseRequest request) {
  for (const auto& [name, amount] : request.wants.resources.entries()) {
    if (amount >= Amount()) continue;
    return Fail(ErrorCode::kInvalidArgument,
                "a lease request wants {}: {}; amounts are zero or more", name, amount.ToString());
  }
  if (queue_.Find(request.ticket).request != nullptr) {
    return Fail(ErrorCode::kAlreadyExists, "ticket {} is queued already", request.ticket);
  }
  if (queue_.size() >= options_.queue_requests_max) {
    return Fail(ErrorCode::kResourceExhausted,
                "{} lease requests wait on node {}, its queue_requests_max", queue_.size(),
                view_.local_id().Short());
  }
  const RequestClassState state = queue_.Add(ClassOf(request), request.depth,
                                             {.ticket = request.ticket,
                                              .owner = request.owner,
                                              .locality = std::move(request.wants.locality)});
  // Its class was found infeasible before it came, and is not decided again until the cluster
  // changes. The next step must still report this request, or the lease manager would not know.
  if (state == RequestClassState::kInfeasible) late_.push_back(request.ticket);
  return {};
}

RequestClassKey QueueScheduler::ClassOf(const LeaseRequest& request) const {
  RequestClassKey key{.wants = request.wants};
  key.wants.locality.clear();
  if (request.hops < options_.spill_hops_max) {
    key.reach = request.hops == 0 ? Reach::kAnywhere : Reach::kHereFirst;
    return key;
  }
  // It may not leave this node any more, so it is the same as a request for this very node. One
  // that insists on another node keeps its strategy: it is impossible here, and the reason says so.
  key.reach = request.hops == 0 ? Reach::kHere : Reach::kNoFurther;
  if (WantedElsewhere(key.wants, view_.local_id()) == nullptr) {
    key.wants.strategy = OnNode{.node = view_.local_id()};
  }
  return key;
}

bool QueueScheduler::Cancel(std::uint64_t ticket) {
  const bool was_queued = queue_.Remove(ticket);
  view_.SetQueued(view_.local_id(), queue_.size());
  return was_queued;
}

std::vector<Action> QueueScheduler::Step() {
  std::vector<Action> actions;
  // Requests that joined an infeasible class since the last step. One whose class was woken
  // meanwhile is decided below like all others.
  for (const std::uint64_t ticket : std::exchange(late_, {})) {
    const RequestQueue::Found found = queue_.Find(ticket);
    if (found.request == nullptr || found.members->state != RequestClassState::kInfeasible)
      continue;
    if (std::exchange(found.request->is_reported, true)) continue;
    actions.emplace_back(action::Infeasible{ticket, found.members->reason});
  }
  while (RequestClasses::value_type* shape = queue_.First()) ActOn(*shape, actions);
  view_.SetQueued(view_.local_id(), queue_.size());
  return actions;
}

Decision QueueScheduler::Decide(RequestClasses::value_type& shape) {
  const RequestClassKey& key = shape.first;
  const NodeId* const elsewhere = WantedElsewhere(key.wants, view_.local_id());
  if (Keeps(key.reach) && elsewhere != nullptr) {
    return decision::Infeasible{fmt::format("wants node {}, and may not leave node {}",
                                            elsewhere->Short(), view_.local_id().Short())};
  }
  //! [decide]
  const Filter filter(key.wants, view_);
  if (key.reach == Reach::kHereFirst && filter.Fits(Local())) return decision::Place{Local().id};
  // The usual end of a step: known to be possible, and full. The reason is written when it is read.
  if (shape.second.feasible_at == view_.shape_version() && !AnyFits(filter)) {
    return decision::Wait{};
  }
  const auto& locality = shape.second.requests.begin()->second.locality;
  if (locality.empty()) return policy_->Choose(key.wants, view_);
  ResourceRequest wants = key.wants;
  wants.locality = locality;
  return policy_->Choose(wants, view_);
  //! [decide]
}

void QueueScheduler::ActOn(RequestClasses::value_type& shape, std::vector<Action>& actions) {
  const RequestClassKey& key = shape.first;
  RequestClass& members = shape.second;
  const std::uint64_t ticket = members.requests.begin()->second.ticket;
  const Decision decision = Decide(shape);
  const auto* infeasible = std::get_if<decision::Infeasible>(&decision);
  if (infeasible == nullptr) {
    members.feasible_at = view_.shape_version();
    // A big enough node has joined. Should it leave again, that is news, so every request of the
    // class will be reported once more and gets a fresh grace.
    if (std::exchange(members.is_infeasible, false)) {
      for (auto& [order, request] : members.requests) request.is_reported = false;
    }
  }

  if (const auto* place = std::get_if<decision::Place>(&decision)) {
    ResourceSet resources = key.wants.resources;
    if (place->node == view_.local_id()) {
      // The books of this node have the last word: a policy must not promise what is not free.
      Check(Local().available.Covers(resources), "a policy placed work where it does not fit");
      granted_.Add(resources);
      view_.Take(view_.local_id(), resources);
      actions.emplace_back(action::Grant{ticket, std::move(resources)});
    } else {
      // The other node will report the request only some time after it has arrived. Until then its
      // picture here must count it already, or the whole queue would be sent there.
      Check(!Keeps(key.reach), "a policy placed pinned work on another node");
      view_.Take(place->node, resources);
      actions.emplace_back(action::SpillTo{ticket, place->node, std::move(resources),
                                           view_.Find(place->node)->version});
    }
    queue_.Serve(shape);
  } else if (infeasible == nullptr) {
    // It fits nowhere now, and neither does any other request of its class: all of them wait for a
    // change of a node on which they would fit.
    members.reason = std::get<decision::Wait>(decision).reason;
    queue_.Park(shape, RequestClassState::kWaiting);
  } else if (key.reach == Reach::kNoFurther) {
    // It has used up its hops and this node will never do. Its owner may begin anew elsewhere.
    actions.emplace_back(action::Reject{ticket, infeasible->reason});
    queue_.Remove(ticket);
  } else {
    // No node is big enough. The class stays, in case one joins; the lease manager is told, and
    // decides how long it waits for that.
    members.reason = infeasible->reason;
    members.is_infeasible = true;
    queue_.Park(shape, RequestClassState::kInfeasible);
    ReportInfeasible(members, actions);
  }
}

void QueueScheduler::ReportInfeasible(RequestClass& members, std::vector<Action>& actions) {
  for (auto& [order, request] : members.requests) {
    if (std::exchange(request.is_reported, true)) continue;
    actions.emplace_back(action::Infeasible{request.ticket, members.reason});
  }
}

void QueueScheduler::Return(const ResourceSet& resources) {
  Check(granted_.Covers(resources), "a lease returned more than was granted");
  granted_.Subtract(resources);
  Check(granted_.Covers(lent_), "a lease returned what its worker has still lent");
  Free(resources);
}

void QueueScheduler::LendFromBlocked(const ResourceSet& resources) {
  lent_.Add(resources);
  Check(granted_.Covers(lent_), "a worker lent more than was granted");
  Free(resources);
}

void QueueScheduler::RestoreToUnblocked(const ResourceSet& resources) {
  Check(lent_.Covers(resources), "a worker took back more than it lent");
  lent_.Subtract(resources);
  // The worker runs at once, even if its CPU was granted to another meanwhile. Available may fall
  // below zero then, and nothing is granted until a lease has ended.
  view_.Take(view_.local_id(), resources);
}

void QueueScheduler::Free(const ResourceSet& resources) {
  view_.Give(view_.local_id(), resources);
  OnChange(view_.local_id(), ViewChange::kUsage);
}

void QueueScheduler::UpdateNode(NodeView node) {
  // Of this node the books are here: what others report of its amounts is older than what we know.
  if (node.id == view_.local_id()) {
    node.total = Local().total;
    node.available = Local().available;
    node.queued_requests = Local().queued_requests;
    node.version = Local().version + 1;
  }
  const NodeId id = node.id;
  OnChange(id, view_.Upsert(std::move(node)));
}

bool QueueScheduler::ExpireSpill(const action::SpillTo& spill) {
  // A newer report has replaced the picture from which the request was subtracted.
  const NodeView* const node = view_.Find(spill.node);
  if (node == nullptr || node->version != spill.version) return false;
  view_.Give(spill.node, spill.resources);
  OnChange(spill.node, ViewChange::kUsage);
  return true;
}

void QueueScheduler::RemoveNode(const NodeId& id) {
  Check(id != view_.local_id(), "a scheduler cannot lose its own node");
  OnChange(id, view_.Remove(id));
}

void QueueScheduler::OnChange(const NodeId& id, ViewChange change) {
  if (change == ViewChange::kNone) return;
  // A node came, went or changed its size: the possible may be impossible now, and the reverse.
  if (change == ViewChange::kShape) {
    return queue_.Wake([](const RequestClassKey&, const RequestClass&) { return true; });
  }
  // Only what a node has free has changed. That helps the classes which now fit there, no others.
  const NodeView& node = *view_.Find(id);
  queue_.Wake([&](const RequestClassKey& key, const RequestClass& members) {
    return members.state == RequestClassState::kWaiting && Filter(key.wants, view_).Fits(node);
  });
}

std::string QueueScheduler::Reason(const RequestClassKey& key, const RequestClass& members) const {
  if (members.state == RequestClassState::kReady) return "is next to be decided";
  if (members.state == RequestClassState::kInfeasible) return members.reason;
  // Something fits, and yet it waits: the policy wished so, and has said why.
  const Filter filter(key.wants, view_);
  if (AnyFits(filter)) return members.reason;
  const Decision nothing = NothingFits(filter);
  if (const auto* wait = std::get_if<decision::Wait>(&nothing)) return wait->reason;
  return std::get<decision::Infeasible>(nothing).reason;
}

bool QueueScheduler::IsInfeasible(std::uint64_t ticket) const {
  const RequestQueue::Found found = queue_.Find(ticket);
  return found.members != nullptr && found.members->is_infeasible;
}

std::vector<QueuedShape> QueueScheduler::Queue() const {
  std::vector<QueuedShape> shapes;
  for (const auto& [key, members] : queue_.classes()) {
    shapes.push_back({.wants = key.wants,
                      .count = members.requests.size(),
                      .infeasible = members.is_infeasible,
                      .reason = Reason(key, members)});
  }
  return shapes;
}

void QueueScheduler::CheckInvariants() const {
  queue_.CheckInvariants();
  ResourceSet left = Local().available;
  left.Add(granted_);
  ResourceSet right = Local().total;
  right.Add(lent_);
  Check(left == right, "granted + available differs from total + lent");
  Check(granted_.Covers(lent_), "more is lent than granted");
  const auto is_negative = [](const auto& entry) { return entry.second < Amount(); };
  Check(std::ranges::none_of(granted_.entries(), is_negative), "granted less than nothing");
  Check(std::ranges::none_of(lent_.entries(), is_negative), "lent less than nothing");
}

Result<std::unique_ptr<Scheduler>> MakeDistributedScheduler(ConfigReader& config,
                                                            const Scheduler::Context& context) {
  QueueSchedulerOptions options{.name = "distributed"};
  options.spill_hops_max = config.Integer("spill_hops_max", 3U, 1, 1000);
  options.queue_requests_max =
      config.Integer("queue_requests_max", options.queue_requests_max, 1, 1'000'000'000);
  auto policy = MakePolicy(context.policies, config.Child("policy"), context.random);
  if (!policy) return Fail(std::move(policy.error()));
  return std::make_unique<QueueScheduler>(std::move(options), context.local, *std::move(policy));
}

Result<std::unique_ptr<Scheduler>> MakeLocalScheduler(ConfigReader& config,
                                                      const Scheduler::Context& context) {
  QueueSchedulerOptions options{.name = "local"};
  options.queue_requests_max =
      config.Integer("queue_requests_max", options.queue_requests_max, 1, 1'000'000'000);
  // With every request pinned to this node all policies decide alike.
  auto policy = MakePolicy(context.policies, ConfigValue(ConfigValue::Map()), context.random);
  if (!policy) return Fail(std::move(policy.error()));
  return std::make_unique<QueueScheduler>(std::move(options), context.local, *std::move(policy));
}

}  // namespace mobula::scheduler
