#include "components/scheduler/queue/ask_queue.h"

#include <algorithm>

#include "components/base/check.h"

namespace mobula::scheduler {

bool operator<(const AskClassKey& a, const AskClassKey& b) {
  if (a.reach != b.reach) return a.reach < b.reach;
  if (a.if_busy != b.if_busy) return a.if_busy < b.if_busy;
  return ShapeLess()(a.request, b.request);
}

AskClassState AskQueue::Add(AskClassKey key, std::uint32_t depth, QueuedAsk ask) {
  const auto it = classes_.try_emplace(std::move(key)).first;
  AskClass& members = it->second;
  const std::uint64_t turn = turn_ + queued_[ask.owner]++ + served_.count(ask.owner);
  const AskOrder order{.depth = depth, .turn = turn, .sequence = next_sequence_++};
  const bool added = tickets_.try_emplace(ask.ticket, Where{.members = it, .order = order}).second;
  Check(added, "AskQueue::Add of a ticket that is queued");
  const bool ready = members.state == AskClassState::kReady;
  if (ready && !members.asks.empty()) ready_.erase(BestOf(members));
  members.asks.emplace(order, std::move(ask));
  if (ready) ready_.emplace(BestOf(members), it);
  return members.state;
}

bool AskQueue::Remove(std::uint64_t ticket) {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return false;
  const auto [it, order] = found->second;
  tickets_.erase(found);
  AskClass& members = it->second;
  const bool ready = members.state == AskClassState::kReady;
  if (ready) ready_.erase(BestOf(members));
  const auto queued = queued_.find(members.asks.at(order).owner);
  if (--queued->second == 0) queued_.erase(queued);
  members.asks.erase(order);
  if (members.asks.empty()) {
    classes_.erase(it);
  } else if (ready) {
    ready_.emplace(BestOf(members), it);
  }
  return true;
}

void AskQueue::Serve(const AskClasses::value_type& first) {
  const auto& [order, ask] = *first.second.asks.begin();
  if (order.turn > turn_) served_.clear();
  turn_ = std::max(turn_, order.turn);
  if (order.turn == turn_) served_.insert(ask.owner);
  Remove(ask.ticket);
}

AskClasses::value_type* AskQueue::First() {
  return ready_.empty() ? nullptr : &*ready_.begin()->second;
}

void AskQueue::Park(AskClasses::value_type& first, AskClassState state) {
  Check(&first == First(), "AskQueue::Park of a class that is not the first");
  ready_.erase(ready_.begin());
  first.second.state = state;
}

void AskQueue::Wake(const std::function<bool(const AskClassKey&, const AskClass&)>& fits) {
  for (auto it = classes_.begin(); it != classes_.end(); ++it) {
    AskClass& members = it->second;
    if (members.state == AskClassState::kReady || !fits(it->first, members)) continue;
    members.state = AskClassState::kReady;
    ready_.emplace(BestOf(members), it);
  }
}

AskQueue::Found AskQueue::Find(std::uint64_t ticket) const {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return {};
  const auto [it, order] = found->second;
  return {.key = &it->first, .members = &it->second, .ask = &it->second.asks.at(order)};
}

void AskQueue::CheckInvariants() const {
  std::size_t asks = 0;
  std::size_t ready = 0;
  for (const auto& [key, members] : classes_) {
    Check(!members.asks.empty(), "a class of asks without asks");
    asks += members.asks.size();
    if (members.state != AskClassState::kReady) continue;
    ++ready;
    Check(ready_.contains(BestOf(members)), "a ready class is not filed by its best ask");
  }
  Check(asks == tickets_.size(), "queued asks and tickets differ in number");
  for (const auto& [owner, count] : queued_) asks -= count;
  Check(asks == 0, "queued asks and those of the owners differ in number");
  Check(ready == ready_.size(), "a class is filed as ready that is not");
}

}  // namespace mobula::scheduler
