// The owner's side of the reference table: values, holders, borrowing processes, freeing.

#include "components/base/check.h"
#include "components/core_worker/owner/references.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/protocol/owner_methods.h"

namespace mobula::core_worker {
namespace {

/// Values on their way to one borrower; the others wait for it to take them.
constexpr std::uint64_t kAnswersQueuedMax = 32ULL << 20;
constexpr Duration kAnswersPause = std::chrono::milliseconds(1);
/// All values of one byte: true, nothing, small numbers. Most results are one of them.
constexpr auto kBytes = [] {
  std::array<std::byte, 256> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::byte>(i);
  return all;
}();

}  // namespace

ObjectState OwnedObject::State() const {
  switch (kind_) {
    case kPending: return Pending{};
    case kSmall: {
      if (small_size_ == 1) {
        return Payload({}, {&kBytes[static_cast<std::uint8_t>(small_begin_[0])], 1});
      }
      const auto bytes = std::make_shared<std::array<char, kSmallMax>>();
      std::ranges::copy(small_begin_, bytes->begin());
      if (small_size_ > 4) std::ranges::copy(small_end_, bytes->begin() + 4);
      return Payload(bytes, std::as_bytes(std::span(*bytes)).first(small_size_));
    }
    case kValue: return *value_;
    case kDetailed: return details_->state;
  }
  std::unreachable();
}

OwnedDetails& OwnedObject::MakeDetails() {
  if (kind_ == kDetailed) return *details_;
  auto details = std::make_unique<OwnedDetails>();
  details->state = State();
  if (kind_ == kPending) details->waiting.TakeFrom(waiting_);
  Clear();
  kind_ = kDetailed;
  return *(details_ = details.release());
}

void OwnedObject::SetState(ObjectState state) {
  const bool is_known = !std::holds_alternative<Pending>(state);
  if (is_known && IsPending()) Waiting().Tell();
  auto* value = std::get_if<Payload>(&state);
  if (kind_ == kDetailed || (is_known && value == nullptr)) {
    MakeDetails().state = std::move(state);
  } else if (value != nullptr) {
    Clear();
    if (value->size() <= kSmallMax) {
      kind_ = kSmall;
      small_size_ = static_cast<std::uint32_t>(value->size());
      small_end_ = {};
      value->text().copy(small_begin_.data(), small_begin_.size());
      if (small_size_ > 4) value->text().copy(small_end_.data(), small_end_.size(), 4);
    } else {
      kind_ = kValue;
      value_ = new Payload(std::move(*value));
    }
  } else if (kind_ != kPending) {
    Clear();
  }
}

void OwnedObject::Clear() {
  if (kind_ == kPending) std::destroy_at(&waiting_);
  if (kind_ == kValue) delete value_;
  if (kind_ == kDetailed) delete details_;
  std::construct_at(&waiting_);
  kind_ = kPending;
}

internal::ReferencePtr ReferenceTable::NewOwned(const ObjectId& id, ObjectState state,
                                                std::vector<internal::ReferencePtr> contained) {
  OwnedObject& entry = owned_.Add(id, self_owner_);
  auto held = Hold(entry);
  if (!std::holds_alternative<Pending>(state)) Set(entry, std::move(state), std::move(contained));
  return held;
}

void ReferenceTable::SetState(const ObjectId& id, ObjectState state,
                              std::vector<internal::ReferencePtr> contained) {
  OwnedObject* entry = owned_.Find(id);
  if (entry == nullptr || entry->is_released) {  // nobody wants it any more
    FreeCopies(id, std::get_if<InStore>(&state));
  } else {
    Set(*entry, std::move(state), std::move(contained));
  }
}

void ReferenceTable::SetIfPending(const ObjectId& id, ObjectState state,
                                  std::vector<internal::ReferencePtr> contained) {
  OwnedObject* entry = owned_.Find(id);
  if (entry == nullptr || entry->is_released || !entry->IsPending()) return;
  Set(*entry, std::move(state), std::move(contained));
}

void ReferenceTable::Set(OwnedObject& entry, ObjectState state,
                         std::vector<internal::ReferencePtr> contained) {
  entry.SetState(std::move(state));
  if (entry.Details() != nullptr || !contained.empty()) {
    entry.MakeDetails().contained = std::move(contained);
  }
  if (entry.IsHeld()) {
    TellWatchers(entry);
  } else {
    ReleaseIfUnheld(entry);
  }
}

void ReferenceTable::SetPending(const ObjectId& id) {
  if (OwnedObject* entry = owned_.Find(id)) entry->SetState(Pending{});
}

void ReferenceTable::TellWatchers(OwnedObject& entry) {
  OwnedDetails* details = entry.Details();
  if (details == nullptr || entry.IsPending()) return;
  Wake(std::exchange(details->watches, {}));
  if (details->remote_watchers.empty()) return;
  protocol::StatusRequest status;
  ToMessage(entry.id, details->state, status.add_objects());
  for (rpc::Peer* peer : std::exchange(details->remote_watchers, {})) {
    peer->Notify(protocol::kStatus, status);
  }
}

void ReferenceTable::AddCopy(const ObjectId& id, const NodeId& node, std::string endpoint) {
  OwnedObject* entry = owned_.Find(id);
  if (entry == nullptr || entry->is_released ||
      std::holds_alternative<Error>(entry->State())) {  // freed, or failed, while it was copied
    to_free_[endpoint].push_back(id);
    ScheduleFlush();
    return;
  }
  if (InStore* stored = entry->Stored()) stored->copies.insert_or_assign(node, std::move(endpoint));
}

void ReferenceTable::RemoveCopies(
    const ObjectId& id, const std::function<bool(const NodeId&, const std::string&)>& gone) {
  OwnedObject* entry = owned_.Find(id);
  InStore* stored = entry == nullptr ? nullptr : entry->Stored();
  if (stored == nullptr) return;
  std::erase_if(stored->copies, [&](const auto& copy) { return gone(copy.first, copy.second); });
  if (!stored->copies.empty() || entry->is_released) return;
  entry->SetState(Pending{});
  hooks_.on_lost(id);
}

void ReferenceTable::DoubtCopies(const ObjectId& id,
                                 const std::vector<std::string>& raylet_endpoints) {
  OwnedObject* entry = owned_.Find(id);
  if (entry == nullptr) return;
  entry->MakeDetails().doubted.insert(raylet_endpoints.begin(), raylet_endpoints.end());
  RemoveCopies(id, [&](const NodeId&, const std::string& endpoint) {
    return std::ranges::find(raylet_endpoints, endpoint) != raylet_endpoints.end();
  });
}

void ReferenceTable::DropNode(const NodeId& node, std::string_view reason) {
  std::set<ObjectId> affected;  // sorted: what is made again first must not depend on hashing
  owned_.ForEach([&](const OwnedObject& entry) {
    const InStore* stored = entry.Stored();
    if (stored != nullptr && stored->copies.contains(node)) affected.insert(entry.id);
  });
  for (const ObjectId& id : affected) {
    RemoveCopies(id, [&](const NodeId& holder, const std::string&) { return holder == node; });
  }
  for (auto& [id, entry] : borrowed_) {
    auto* stored = std::get_if<InStore>(&entry.state);
    if (stored == nullptr || stored->copies.erase(node) == 0) continue;
    if (stored->copies.empty()) entry.state = Pending{};  // ask the owner when it is wanted
  }
  for (auto next = links_.begin(); next != links_.end();) {
    BorrowLink& link = next++->second;
    if (link.address.node_id() == node.Binary()) EndLink(link, ErrorCode::kOwnerDied, reason);
  }
}

void ReferenceTable::AddLineage(const ObjectId& id) {
  if (OwnedObject* entry = owned_.Find(id)) ++entry->MakeDetails().lineage;
}

void ReferenceTable::RemoveLineage(const ObjectId& id) {
  OwnedObject* entry = owned_.Find(id);
  OwnedDetails* details = entry == nullptr ? nullptr : entry->Details();
  if (details == nullptr || details->lineage == 0) return;
  if (--details->lineage == 0 && entry->is_released) Forget(*entry);
}

void ReferenceTable::ReleaseIfUnheld(OwnedObject& entry) {
  if (entry.IsHeld() || entry.is_released) return;
  if (const OwnedDetails* details = entry.Details()) {
    FreeCopies(entry.id, entry.Stored());
    for (const std::string& endpoint : details->doubted) to_free_[endpoint].push_back(entry.id);
    if (!details->doubted.empty()) ScheduleFlush();
    if (const std::size_t lineage = details->lineage; lineage > 0) {
      entry.is_released = 1;
      entry.Clear();
      entry.MakeDetails().lineage = lineage;
      return;
    }
  }
  Forget(entry);
}

void ReferenceTable::Forget(OwnedObject& entry) {
  const ObjectId id = entry.id;
  owned_.Erase(entry);
  hooks_.on_released(id);
}

void ReferenceTable::FreeCopies(const ObjectId& id, const InStore* stored) {
  if (stored == nullptr) return;
  for (const auto& [node, endpoint] : stored->copies) {
    to_free_[endpoint].push_back(id);
  }
  ScheduleFlush();
}

void ReferenceTable::HandleWatch(const protocol::WatchRequest& request, rpc::Peer* peer) {
  std::deque<ObjectId>& asked = unanswered_[peer];
  const bool is_first = asked.empty();
  for (const std::string& id : request.ids()) asked.emplace_back(ObjectId::FromBinaryOrNil(id));
  if (is_first) AnswerWatches(peer);
}

/// Says what is known, no faster than the borrower takes it: ten thousand values are more than a
/// connection may hold.
void ReferenceTable::AnswerWatches(rpc::Peer* peer) {
  const auto it = unanswered_.find(peer);
  if (it == unanswered_.end()) return;
  std::deque<ObjectId>& asked = it->second;
  while (!asked.empty()) {
    if (peer->connection().QueuedBytes() >= kAnswersQueuedMax) {
      deps_.loop.Schedule(kAnswersPause, alive_.Bind([this, peer] { AnswerWatches(peer); }));
      return;
    }
    protocol::StatusRequest status;
    for (std::size_t bytes = 0; !asked.empty() && bytes < kInlineBytesPerMessage;) {
      const ObjectId id = asked.front();
      asked.pop_front();
      OwnedObject* entry = owned_.Find(id);
      const bool is_freed = entry == nullptr || entry->is_released;
      if (!is_freed && entry->IsPending()) {
        entry->MakeDetails().remote_watchers.push_back(peer);
        continue;
      }
      const auto state = is_freed
                             ? Error(ErrorCode::kObjectLost,
                                     fmt::format("object {} was freed by its owner", id.Short()))
                             : entry->State();
      ToMessage(id, state, status.add_objects());
      bytes += status.objects().rbegin()->ByteSizeLong();
    }
    if (status.objects_size() > 0) peer->Notify(protocol::kStatus, status);
    peer->Flush();
  }
  unanswered_.erase(it);
}

void ReferenceTable::HandleAddBorrows(const protocol::AddBorrowsRequest& request, rpc::Peer* peer) {
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.borrower().worker_id());
  Borrower& borrower = borrowers_[worker];
  borrower.peer = peer;
  borrower.grace.reset();
  for (const std::string& binary : request.ids()) {
    const ObjectId id(ObjectId::FromBinaryOrNil(binary));
    OwnedObject* entry = owned_.Find(id);
    if (entry == nullptr || entry->is_released) continue;
    entry->MakeDetails().borrowers.insert(worker);
    borrower.ids.insert(id);
  }
}

void ReferenceTable::HandleRemoveBorrows(const protocol::RemoveBorrowsRequest& request) {
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.borrower_id());
  const auto it = borrowers_.find(worker);
  if (it == borrowers_.end()) return;
  for (const std::string& binary : request.ids()) {
    const ObjectId id(ObjectId::FromBinaryOrNil(binary));
    if (it->second.ids.erase(id) > 0) RemoveBorrow(id, worker);
  }
  if (it->second.ids.empty()) borrowers_.erase(it);
}

void ReferenceTable::RemoveBorrow(const ObjectId& id, const WorkerId& borrower) {
  OwnedObject* entry = owned_.Find(id);
  if (entry == nullptr || entry->Details() == nullptr) return;
  if (entry->Details()->borrowers.erase(borrower) > 0) ReleaseIfUnheld(*entry);
}

void ReferenceTable::HandleReportCopies(const protocol::ReportCopiesRequest& request) {
  for (const std::string& binary : request.added_ids()) {
    AddCopy(ObjectId(ObjectId::FromBinaryOrNil(binary)),
            NodeId::FromBinaryOrNil(request.node().node_id()), request.node().raylet_endpoint());
  }
  const std::vector<std::string> doubted(request.missing_endpoints().begin(),
                                         request.missing_endpoints().end());
  for (const std::string& binary : request.missing_ids()) {
    DoubtCopies(ObjectId(ObjectId::FromBinaryOrNil(binary)), doubted);
  }
}

void ReferenceTable::OnPeerClosed(rpc::Peer& peer) {
  unanswered_.erase(&peer);
  owned_.ForEach([&](const OwnedObject& entry) {
    if (OwnedDetails* details = entry.Details()) std::erase(details->remote_watchers, &peer);
  });
  for (auto& [worker, borrower] : borrowers_) {
    if (borrower.peer != &peer) continue;
    borrower.peer = nullptr;
    borrower.grace = std::make_unique<Timer>(deps_.loop);
    borrower.grace->Set(config_.borrower_grace,
                        alive_.Bind([this, worker = worker] { DropBorrower(worker); }));
  }
}

void ReferenceTable::DropBorrower(const WorkerId& borrower) {
  const auto it = borrowers_.find(borrower);
  if (it == borrowers_.end()) return;
  const std::set<ObjectId> ids = std::move(it->second.ids);
  deps_.log.Info("object", "borrower_lost", "worker={} objects={}", borrower.Short(), ids.size());
  borrowers_.erase(it);
  for (const ObjectId& id : ids) RemoveBorrow(id, borrower);
}

std::size_t ReferenceTable::LentCount() const {
  std::size_t count = 0;
  for (const auto& [worker, borrower] : borrowers_) count += borrower.ids.size();
  return count;
}

}  // namespace mobula::core_worker
