#include "components/scheduler/queue/request_queue.h"

#include <algorithm>

#include "components/base/check.h"

namespace mobula::scheduler {

bool operator<(const RequestClassKey& a, const RequestClassKey& b) {
  if (a.reach != b.reach) return a.reach < b.reach;
  return ShapeLess()(a.wants, b.wants);
}

RequestClassState RequestQueue::Add(RequestClassKey key, std::uint32_t depth,
                                    QueuedRequest request) {
  const auto it = classes_.try_emplace(std::move(key)).first;
  RequestClass& members = it->second;
  // The owner's earlier requests take the next turns, one each, and an owner that was served in
  // this turn lets the others go first. The new request stands in the turn after all of these.
  const std::uint64_t turn = turn_ + queued_[request.owner]++ + served_.count(request.owner);
  const RequestOrder order{.depth = depth, .turn = turn, .sequence = next_sequence_++};
  const bool added =
      tickets_.try_emplace(request.ticket, Where{.members = it, .order = order}).second;
  Check(added, "RequestQueue::Add of a ticket that is queued");
  // A ready class is filed under its best request. The new one may be better, so the class is filed
  // anew. A parked class stays parked: what does not fit for the others does not fit for it.
  const bool ready = members.state == RequestClassState::kReady;
  if (ready && !members.requests.empty()) ready_.erase(BestOf(members));
  members.requests.emplace(order, std::move(request));
  if (ready) ready_.emplace(BestOf(members), it);
  return members.state;
}

bool RequestQueue::Remove(std::uint64_t ticket) {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return false;
  const auto [it, order] = found->second;
  tickets_.erase(found);
  RequestClass& members = it->second;
  const bool ready = members.state == RequestClassState::kReady;
  if (ready) ready_.erase(BestOf(members));
  const auto queued = queued_.find(members.requests.at(order).owner);
  if (--queued->second == 0) queued_.erase(queued);
  members.requests.erase(order);
  // An empty class is dropped, and with it what was known of its shape: the next request of that
  // shape is decided from the start.
  if (members.requests.empty()) {
    classes_.erase(it);
  } else if (ready) {
    ready_.emplace(BestOf(members), it);
  }
  return true;
}

void RequestQueue::Serve(const RequestClasses::value_type& first) {
  const auto& [order, request] = *first.second.requests.begin();
  // A later turn than any before begins a new round, in which nobody has been served. A request of
  // an earlier turn was passed over while it did not fit; it does not count in this round.
  if (order.turn > turn_) served_.clear();
  turn_ = std::max(turn_, order.turn);
  if (order.turn == turn_) served_.insert(request.owner);
  Remove(request.ticket);
}

RequestClasses::value_type* RequestQueue::First() {
  return ready_.empty() ? nullptr : &*ready_.begin()->second;
}

void RequestQueue::Park(RequestClasses::value_type& first, RequestClassState state) {
  Check(&first == First(), "RequestQueue::Park of a class that is not the first");
  ready_.erase(ready_.begin());
  first.second.state = state;
}

void RequestQueue::Wake(
    const std::function<bool(const RequestClassKey&, const RequestClass&)>& fits) {
  // There are as many classes as shapes, a handful, so each change may look at all of them.
  for (auto it = classes_.begin(); it != classes_.end(); ++it) {
    RequestClass& members = it->second;
    if (members.state == RequestClassState::kReady || !fits(it->first, members)) continue;
    members.state = RequestClassState::kReady;
    ready_.emplace(BestOf(members), it);
  }
}

RequestQueue::Found RequestQueue::Find(std::uint64_t ticket) const {
  const auto found = tickets_.find(ticket);
  if (found == tickets_.end()) return {};
  const auto [it, order] = found->second;
  return {.members = &it->second, .request = &it->second.requests.at(order)};
}

void RequestQueue::CheckInvariants() const {
  std::size_t requests = 0;
  std::size_t ready = 0;
  for (const auto& [key, members] : classes_) {
    Check(!members.requests.empty(), "a class without requests");
    requests += members.requests.size();
    if (members.state != RequestClassState::kReady) continue;
    ++ready;
    Check(ready_.contains(BestOf(members)), "a ready class is not filed by its best request");
  }
  Check(requests == tickets_.size(), "queued requests and tickets differ in number");
  for (const auto& [owner, count] : queued_) requests -= count;
  Check(requests == 0, "queued requests and those of the owners differ in number");
  Check(ready == ready_.size(), "a class is filed as ready that is not");
}

}  // namespace mobula::scheduler
