#include "components/scheduler/queue/queue_scheduler.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/scheduler/explain.h"
#include "components/scheduler/filter.h"
#include "components/scheduler/registration.h"

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

Result<void> QueueScheduler::Submit(LeaseAsk ask) {
  for (const auto& [name, amount] : ask.request.resources.entries()) {
    if (amount >= Amount()) continue;
    return Fail(ErrorCode::kInvalidArgument, "{} asks for {}: {}; amounts are zero or more",
                ask.key_text, name, amount.ToString());
  }
  if (queue_.Find(ask.ticket).ask != nullptr) {
    return Fail(ErrorCode::kAlreadyExists, "ticket {} ({}) is queued already", ask.ticket,
                ask.key_text);
  }
  if (queue_.size() >= options_.queue_asks_max) {
    return Fail(ErrorCode::kResourceExhausted, "{} lease asks wait on node {}, its queue_asks_max",
                queue_.size(), view_.local_id().Short());
  }
  const AskClassState state = queue_.Add(ClassOf(ask), ask.depth,
                                         {.ticket = ask.ticket,
                                          .owner = ask.owner,
                                          .locality = std::move(ask.request.locality),
                                          .key_text = std::move(ask.key_text)});
  if (state == AskClassState::kInfeasible) late_.push_back(ask.ticket);
  return {};
}

AskClassKey QueueScheduler::ClassOf(const LeaseAsk& ask) const {
  AskClassKey key{.request = ask.request, .if_busy = ask.if_busy};
  key.request.locality.clear();
  if (ask.hops < options_.spill_hops_max) {
    key.reach = ask.hops == 0 ? Reach::kAnywhere : Reach::kHereFirst;
    return key;
  }
  key.reach = ask.hops == 0 ? Reach::kHere : Reach::kNoFurther;
  if (WantedElsewhere(key.request, view_.local_id()) == nullptr) {
    key.request.strategy = OnNode{.node = view_.local_id()};
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
  for (const std::uint64_t ticket : std::exchange(late_, {})) {
    const AskQueue::Found found = queue_.Find(ticket);
    if (found.ask == nullptr || found.members->state != AskClassState::kInfeasible) continue;
    if (std::exchange(found.ask->is_reported, true)) continue;
    actions.emplace_back(action::Infeasible{ticket, found.members->reason});
  }
  while (AskClasses::value_type* shape = queue_.First()) Settle(*shape, actions);
  view_.SetQueued(view_.local_id(), queue_.size());
  return actions;
}

Decision QueueScheduler::Decide(AskClasses::value_type& shape) {
  const AskClassKey& key = shape.first;
  const NodeId* const elsewhere = WantedElsewhere(key.request, view_.local_id());
  if (Keeps(key.reach) && elsewhere != nullptr) {
    return decision::Infeasible{fmt::format("wants node {}, and may not leave node {}",
                                            elsewhere->Short(), view_.local_id().Short())};
  }
  //! [decide]
  const Filter filter(key.request, view_);
  if (key.reach == Reach::kHereFirst && filter.Fits(Local())) return decision::Place{Local().id};
  // The usual end of a step: known to be possible, and full. No need to ask for the reason.
  if (shape.second.feasible_at == view_.shape_version() && !AnyFits(filter)) {
    return decision::Wait{};
  }
  const auto& locality = shape.second.asks.begin()->second.locality;
  if (locality.empty()) return policy_->Choose(key.request, view_);
  ResourceRequest request = key.request;
  request.locality = locality;
  return policy_->Choose(request, view_);
  //! [decide]
}

void QueueScheduler::Settle(AskClasses::value_type& shape, std::vector<Action>& actions) {
  const AskClassKey& key = shape.first;
  AskClass& members = shape.second;
  const std::uint64_t ticket = members.asks.begin()->second.ticket;
  const Decision decision = Decide(shape);
  const auto* infeasible = std::get_if<decision::Infeasible>(&decision);
  if (infeasible == nullptr) {
    members.feasible_at = view_.shape_version();
    if (std::exchange(members.is_infeasible, false)) {  // the next time is news again
      for (auto& [order, ask] : members.asks) ask.is_reported = false;
    }
  }

  if (const auto* place = std::get_if<decision::Place>(&decision)) {
    ResourceSet resources = key.request.resources;
    if (place->node == view_.local_id()) {
      Check(TryTake(resources), "a policy placed work where it does not fit");
      actions.emplace_back(action::Grant{ticket, std::move(resources)});
    } else {
      Check(!Keeps(key.reach), "a policy placed pinned work on another node");
      view_.Take(place->node, resources);
      actions.emplace_back(action::SpillTo{ticket, place->node, std::move(resources),
                                           view_.Find(place->node)->version});
    }
    queue_.Serve(shape);
  } else if (key.if_busy == IfBusy::kReject) {
    actions.emplace_back(action::Reject{ticket, infeasible ? infeasible->reason : WhyNotNow(key)});
    queue_.Remove(ticket);
  } else if (infeasible == nullptr) {
    members.reason = std::get<decision::Wait>(decision).reason;
    queue_.Park(shape, AskClassState::kWaiting);
  } else if (key.reach == Reach::kNoFurther) {
    actions.emplace_back(action::Reject{ticket, infeasible->reason});
    queue_.Remove(ticket);
  } else {
    members.reason = infeasible->reason;
    members.is_infeasible = true;
    queue_.Park(shape, AskClassState::kInfeasible);
    ReportInfeasible(members, actions);
  }
}

void QueueScheduler::ReportInfeasible(AskClass& members, std::vector<Action>& actions) {
  for (auto& [order, ask] : members.asks) {
    if (std::exchange(ask.is_reported, true)) continue;
    actions.emplace_back(action::Infeasible{ask.ticket, members.reason});
  }
}

void QueueScheduler::Return(const ResourceSet& resources) {
  Check(granted_.Covers(resources), "a lease returned more than was granted");
  granted_.Subtract(resources);
  Check(granted_.Covers(lent_), "a lease returned what its worker has still lent");
  Free(resources);
}

void QueueScheduler::Lend(const ResourceSet& resources) {
  lent_.Add(resources);
  Check(granted_.Covers(lent_), "a worker lent more than was granted");
  Free(resources);
}

void QueueScheduler::TakeBack(const ResourceSet& resources) {
  Check(lent_.Covers(resources), "a worker took back more than it lent");
  lent_.Subtract(resources);
  view_.Take(view_.local_id(), resources);
}

bool QueueScheduler::TryTake(const ResourceSet& resources) {
  if (!Local().available.Covers(resources)) return false;
  granted_.Add(resources);
  view_.Take(view_.local_id(), resources);
  return true;
}

void QueueScheduler::Free(const ResourceSet& resources) {
  view_.Give(view_.local_id(), resources);
  OnChange(view_.local_id(), ViewChange::kUsage);
}

void QueueScheduler::ChangeTotal(const ResourceSet& added, const ResourceSet& removed) {
  NodeView node = Local();
  for (ResourceSet* amounts : {&node.total, &node.available}) {
    amounts->Add(added);
    amounts->Subtract(removed);
  }
  ReplaceLocal(std::move(node));
}

void QueueScheduler::UpdateNode(NodeView node) {
  if (node.id != view_.local_id()) {
    const NodeId id = node.id;
    OnChange(id, view_.Upsert(std::move(node)));
    return;
  }
  node.total = Local().total;
  node.available = Local().available;
  node.queued_asks = Local().queued_asks;
  ReplaceLocal(std::move(node));
}

bool QueueScheduler::ForgetSpill(const action::SpillTo& spill) {
  const NodeView* const node = view_.Find(spill.node);
  if (node == nullptr || node->version != spill.version) return false;
  view_.Give(spill.node, spill.resources);
  OnChange(spill.node, ViewChange::kUsage);
  return true;
}

void QueueScheduler::ReplaceLocal(NodeView node) {
  node.version = Local().version + 1;
  OnChange(view_.local_id(), view_.Upsert(std::move(node)));
}

void QueueScheduler::RemoveNode(const NodeId& id) {
  Check(id != view_.local_id(), "a scheduler cannot lose its own node");
  OnChange(id, view_.Remove(id));
}

void QueueScheduler::OnChange(const NodeId& id, ViewChange change) {
  if (change == ViewChange::kNone) return;
  if (change == ViewChange::kShape) {
    return queue_.Wake([](const AskClassKey&, const AskClass&) { return true; });
  }
  const NodeView& node = *view_.Find(id);
  queue_.Wake([&](const AskClassKey& key, const AskClass& members) {
    return members.state == AskClassState::kWaiting && Filter(key.request, view_).Fits(node);
  });
}

std::string QueueScheduler::WhyNotNow(const AskClassKey& key) const {
  const Decision nothing = NothingFits(Filter(key.request, view_));
  if (const auto* wait = std::get_if<decision::Wait>(&nothing)) return wait->reason;
  return std::get<decision::Infeasible>(nothing).reason;
}

std::string QueueScheduler::Reason(const AskClassKey& key, const AskClass& members) const {
  if (members.state == AskClassState::kReady) return "is next to be decided";
  if (members.state == AskClassState::kInfeasible) return members.reason;
  // Something fits, and yet it waits: the policy wished so.
  if (AnyFits(Filter(key.request, view_))) return members.reason;
  return WhyNotNow(key);
}

std::string QueueScheduler::Why(std::uint64_t ticket) const {
  const auto found = queue_.Find(ticket);
  if (found.ask == nullptr) return {};
  return fmt::format("{}{}{}", found.ask->key_text, found.ask->key_text.empty() ? "" : " ",
                     Reason(*found.key, *found.members));
}

bool QueueScheduler::IsInfeasible(std::uint64_t ticket) const {
  const auto found = queue_.Find(ticket);
  return found.members != nullptr && found.members->is_infeasible;
}

std::vector<QueuedShape> QueueScheduler::Queue() const {
  std::vector<QueuedShape> shapes;
  for (const auto& [key, members] : queue_.classes()) {
    shapes.push_back({.request = key.request,
                      .count = members.asks.size(),
                      .first_ticket = members.asks.begin()->second.ticket,
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

Result<std::unique_ptr<Scheduler>> MakeQueueScheduler(const ConfigValue& config, NodeView local,
                                                      const Registry<PolicyMaker>& policies,
                                                      Random random) {
  ConfigReader reader(config, "scheduler");
  QueueSchedulerOptions options{.name = reader.Text("kind", "distributed")};
  ConfigValue policy_config{ConfigValue::Map()};
  if (options.name != "local") {
    options.spill_hops_max = reader.Integer("spill_hops_max", 3U, 1, 1000);
    policy_config = reader.Child("policy");
  }
  options.queue_asks_max =
      reader.Integer("queue_asks_max", options.queue_asks_max, 1, 1'000'000'000);
  if (auto read = reader.Finish(); !read) return Fail(read.error());
  auto policy = MakePolicy(policies, policy_config, random);
  if (!policy) return Fail(policy.error());
  return std::make_unique<QueueScheduler>(std::move(options), std::move(local), *std::move(policy));
}

}  // namespace mobula::scheduler
