// The owner's side of the reference table: values, holders, borrowing processes, freeing.

#include "components/base/check.h"
#include "components/core_worker/methods.h"
#include "components/core_worker/references.h"
#include "components/core_worker/status_codec.h"

namespace mobula::core_worker {
namespace {

/// Values on their way to one borrower; the others wait for it to take them.
constexpr std::uint64_t kAnswersQueuedMax = 32ULL << 20;
constexpr Duration kAnswersPause = std::chrono::milliseconds(1);

}  // namespace

ObjectState OwnedObject::State() const {
  if (is_inline) return value;
  if (rare == nullptr) return Pending{};
  return std::visit([](const auto& state) { return ObjectState(state); }, rare->state);
}

OwnedDetails& OwnedObject::MakeRare() {
  if (rare == nullptr) rare = std::make_unique<OwnedDetails>();
  return *rare;
}

internal::ReferencePtr ReferenceTable::NewOwned(const ObjectId& id) {
  auto entry = std::make_unique<OwnedObject>(id);
  entry->holds = 1;
  Check(owned_.insert(std::move(entry)).second, "an object is owned once");
  return std::make_shared<const internal::Reference>(id, self_owner_);
}

void ReferenceTable::SetState(const ObjectId& id, ObjectState state,
                              std::vector<internal::ReferencePtr> contained) {
  const auto it = owned_.find(id);
  if (it == owned_.end() || (*it)->is_released) {  // nobody wants it any more
    FreeCopies(id, std::get_if<InStore>(&state));
  } else {
    Set(it, std::move(state), std::move(contained));
  }
}

void ReferenceTable::SetIfPending(const ObjectId& id, ObjectState state,
                                  std::vector<internal::ReferencePtr> contained) {
  const auto it = owned_.find(id);
  if (it == owned_.end() || (*it)->is_released || !(*it)->IsPending()) return;
  Set(it, std::move(state), std::move(contained));
}

void ReferenceTable::Set(OwnedSet::iterator it, ObjectState state,
                         std::vector<internal::ReferencePtr> contained) {
  OwnedObject& entry = **it;
  entry.is_inline = std::holds_alternative<Payload>(state) ? 1 : 0;
  entry.value = {};
  if (auto* value = std::get_if<Payload>(&state)) {
    entry.value = std::move(*value);
    if (entry.rare) entry.rare->state = Pending{};
  } else if (auto* stored = std::get_if<InStore>(&state)) {
    entry.MakeRare().state = std::move(*stored);
  } else if (auto* error = std::get_if<Error>(&state)) {
    entry.MakeRare().state = std::move(*error);
  }
  if (entry.rare || !contained.empty()) entry.MakeRare().contained = std::move(contained);
  if (entry.IsHeld()) {
    TellWatchers(entry);
  } else {
    ReleaseIfUnheld(it);
  }
}

void ReferenceTable::SetPending(const ObjectId& id) {
  OwnedObject* entry = FindOwned(id);
  if (entry == nullptr) return;
  entry->is_inline = 0;
  entry->value = {};
  if (entry->rare) entry->rare->state = Pending{};
}

void ReferenceTable::TellWatchers(OwnedObject& entry) {
  if (entry.IsPending()) return;
  entry.waiting.Tell();
  if (entry.rare == nullptr) return;
  Wake(std::exchange(entry.rare->watches, {}));
  if (entry.rare->remote_watchers.empty()) return;
  StatusRequest status;
  ToMessage(entry.id, entry.State(), status.add_objects());
  for (rpc::Peer* peer : std::exchange(entry.rare->remote_watchers, {})) {
    peer->Notify(kStatus, status);
  }
}

void ReferenceTable::AddCopy(const ObjectId& id, const NodeId& node, std::string endpoint) {
  OwnedObject* entry = FindOwned(id);
  const bool is_failed = entry != nullptr && entry->rare != nullptr &&
                         std::holds_alternative<Error>(entry->rare->state);
  if (entry == nullptr || entry->is_released ||
      is_failed) {  // freed, or failed, while it was copied
    to_free_[endpoint].push_back(id);
    ScheduleFlush();
    return;
  }
  if (InStore* stored = entry->Stored()) stored->copies.insert_or_assign(node, std::move(endpoint));
}

void ReferenceTable::RemoveCopies(
    const ObjectId& id, const std::function<bool(const NodeId&, const std::string&)>& gone) {
  OwnedObject* entry = FindOwned(id);
  InStore* stored = entry == nullptr ? nullptr : entry->Stored();
  if (stored == nullptr) return;
  std::erase_if(stored->copies, [&](const auto& copy) { return gone(copy.first, copy.second); });
  if (!stored->copies.empty() || entry->is_released) return;
  entry->rare->state = Pending{};
  hooks_.on_lost(id);
}

void ReferenceTable::DoubtCopies(const ObjectId& id,
                                 const std::vector<std::string>& raylet_endpoints) {
  OwnedObject* entry = FindOwned(id);
  if (entry == nullptr) return;
  entry->MakeRare().doubted.insert(raylet_endpoints.begin(), raylet_endpoints.end());
  RemoveCopies(id, [&](const NodeId&, const std::string& endpoint) {
    return std::ranges::find(raylet_endpoints, endpoint) != raylet_endpoints.end();
  });
}

void ReferenceTable::DropNode(const NodeId& node) {
  std::set<ObjectId> affected;  // sorted: what is made again first must not depend on hashing
  for (const auto& entry : owned_) {
    const InStore* stored = entry->Stored();
    if (stored != nullptr && stored->copies.contains(node)) affected.insert(entry->id);
  }
  for (const ObjectId& id : affected) {
    RemoveCopies(id, [&](const NodeId& holder, const std::string&) { return holder == node; });
  }
  for (auto& [id, entry] : borrowed_) {
    auto* stored = std::get_if<InStore>(&entry.state);
    if (stored == nullptr || stored->copies.erase(node) == 0) continue;
    if (stored->copies.empty()) entry.state = Pending{};  // ask the owner when it is wanted
  }
}

void ReferenceTable::AddLineage(const ObjectId& id) {
  if (OwnedObject* entry = FindOwned(id)) ++entry->MakeRare().lineage;
}

void ReferenceTable::RemoveLineage(const ObjectId& id) {
  const auto it = owned_.find(id);
  if (it == owned_.end() || (*it)->rare == nullptr || (*it)->rare->lineage == 0) return;
  if (--(*it)->rare->lineage == 0 && (*it)->is_released) Forget(it);
}

void ReferenceTable::ReleaseIfUnheld(OwnedSet::iterator it) {
  OwnedObject& entry = **it;
  if (entry.IsHeld() || entry.is_released) return;
  if (entry.rare != nullptr) {
    FreeCopies(entry.id, entry.Stored());
    for (const std::string& endpoint : entry.rare->doubted) to_free_[endpoint].push_back(entry.id);
    if (!entry.rare->doubted.empty()) ScheduleFlush();
    if (entry.rare->lineage > 0) {
      const std::size_t lineage = entry.rare->lineage;
      entry.is_released = 1;
      entry.is_inline = 0;
      entry.value = {};
      entry.rare = std::make_unique<OwnedDetails>();
      entry.rare->lineage = lineage;
      return;
    }
  }
  Forget(it);
}

void ReferenceTable::Forget(OwnedSet::iterator it) {
  const ObjectId id = (*it)->id;
  Erase(owned_, it);
  hooks_.on_released(id);
}

void ReferenceTable::FreeCopies(const ObjectId& id, const InStore* stored) {
  if (stored == nullptr) return;
  for (const auto& [node, endpoint] : stored->copies) {
    to_free_[endpoint].push_back(id);
  }
  ScheduleFlush();
}

void ReferenceTable::HandleWatch(const WatchRequest& request, rpc::Peer* peer) {
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
    StatusRequest status;
    for (std::size_t bytes = 0; !asked.empty() && bytes < kInlineBytesPerMessage;) {
      const ObjectId id = asked.front();
      asked.pop_front();
      OwnedObject* entry = FindOwned(id);
      if (entry != nullptr && entry->IsPending()) {
        entry->MakeRare().remote_watchers.push_back(peer);
        continue;
      }
      ToMessage(id,
                entry != nullptr
                    ? entry->State()
                    : Error(ErrorCode::kObjectLost,
                            fmt::format("object {} was freed by its owner", id.Short())),
                status.add_objects());
      bytes += status.objects().rbegin()->ByteSizeLong();
    }
    if (status.objects_size() > 0) peer->Notify(kStatus, status);
    peer->Flush();
  }
  unanswered_.erase(it);
}

AddBorrowsReply ReferenceTable::HandleAddBorrows(const AddBorrowsRequest& request,
                                                 rpc::Peer* peer) {
  AddBorrowsReply reply;
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.borrower().worker_id());
  Borrower& borrower = borrowers_[worker];
  borrower.peer = peer;
  borrower.grace.reset();
  for (const std::string& binary : request.ids()) {
    const ObjectId id(ObjectId::FromBinaryOrNil(binary));
    if (OwnedObject* entry = FindOwned(id); entry != nullptr && !entry->is_released) {
      entry->MakeRare().borrowers.insert(worker);
      borrower.ids.insert(id);
    } else {
      reply.add_unknown_ids(binary);
    }
  }
  return reply;
}

void ReferenceTable::HandleRemoveBorrows(const RemoveBorrowsRequest& request) {
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
  const auto it = owned_.find(id);
  if (it == owned_.end() || (*it)->rare == nullptr) return;
  if ((*it)->rare->borrowers.erase(borrower) > 0) ReleaseIfUnheld(it);
}

void ReferenceTable::HandleReportCopies(const ReportCopiesRequest& request) {
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
  for (const auto& entry : owned_) {
    if (entry->rare) std::erase(entry->rare->remote_watchers, &peer);
  }
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
