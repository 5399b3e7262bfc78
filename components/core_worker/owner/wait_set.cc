#include "components/core_worker/owner/wait_set.h"

namespace mobula::core_worker {

// A call may time out, or have seen enough: its places leave the lists of objects that live on.
WaitSet::~WaitSet() {
  for (Node& node : nodes_) {
    if (node.from == nullptr) continue;
    *node.from = node.next;
    if (node.next != nullptr) node.next->from = node.from;
  }
}

// An object may be forgotten while a call waits for it: the call's places point to no list then.
WaitList::~WaitList() {
  while (first_ != nullptr) std::exchange(first_, first_->next)->from = nullptr;
}

void WaitList::TakeFrom(WaitList& other) {
  // Places point at what points at them: here only the first one notices that the list has moved.
  first_ = std::exchange(other.first_, nullptr);
  if (first_ != nullptr) first_->from = &first_;
}

void WaitList::Add(WaitSet& set, std::size_t index) {
  // All places at once: the lists point into this vector, so it must never move.
  if (set.nodes_.empty()) set.nodes_.resize(set.size_);
  WaitSet::Node& node = set.nodes_[index];
  node = {.set = &set, .next = first_, .from = &first_};
  if (first_ != nullptr) first_->from = &node.next;
  first_ = &node;
}

void WaitList::Tell() {
  while (first_ != nullptr) {
    WaitSet::Node& node = *std::exchange(first_, first_->next);
    // The place is in no list any more: the call may end before it reads this, and must not look
    // for its neighbours then.
    node.from = nullptr;
    node.set->ready_.push_back(static_cast<std::size_t>(&node - node.set->nodes_.data()));
    node.set->changed_.Notify();
  }
}

}  // namespace mobula::core_worker
