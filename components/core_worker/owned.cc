// The owner's side of the reference table: values, holders, borrowing processes, freeing.

#include "components/base/check.h"
#include "components/core_worker/methods.h"
#include "components/core_worker/reference_table.h"
#include "components/core_worker/status_codec.h"

namespace mobula::core_worker {

using Impl = ReferenceTable::Impl;

void Impl::AddOwned(const ObjectId& id) {
  Check(owned.emplace(id, Owned{}).second, "an object is owned once");
}

void Impl::SetState(const ObjectId& id, ObjectState state,
                    std::vector<internal::ReferencePtr> held) {
  const auto it = owned.find(id);
  if (it == owned.end() || it->second.released) {  // nobody wants it any more
    FreeCopies(id, state);
    return;
  }
  Owned& entry = it->second;
  entry.state = std::move(state);
  entry.contained = std::move(held);
  if (entry.holds == 0 && entry.borrowers.empty()) return ReleaseIfUnheld(id, entry);
  TellWatchers(id, entry);
}

void Impl::SetIfPending(const ObjectId& id, ObjectState state,
                        std::vector<internal::ReferencePtr> held) {
  const auto it = owned.find(id);
  if (it != owned.end() && !std::holds_alternative<Pending>(it->second.state)) return;
  SetState(id, std::move(state), std::move(held));
}

void Impl::SetPending(const ObjectId& id) {
  if (const auto it = owned.find(id); it != owned.end()) it->second.state = Pending{};
}

void Impl::TellWatchers(const ObjectId& id, Owned& entry) {
  if (std::holds_alternative<Pending>(entry.state)) return;
  Wake(std::exchange(entry.watches, {}));
  if (entry.remote_watchers.empty()) return;
  StatusRequest status;
  ToMessage(id, entry.state, status.add_objects());
  for (rpc::Peer* peer : std::exchange(entry.remote_watchers, {})) peer->Notify(kStatus, status);
}

void Impl::AddCopy(const ObjectId& id, const NodeId& node, std::string endpoint) {
  const auto it = owned.find(id);
  if (it == owned.end() || it->second.released ||
      std::holds_alternative<Error>(it->second.state)) {  // freed, or failed, while it was copied
    to_free[endpoint].push_back(id);
    ScheduleFlush();
    return;
  }
  if (auto* stored = std::get_if<InStore>(&it->second.state)) {
    stored->copies.insert_or_assign(node, std::move(endpoint));
  }
}

void Impl::RemoveCopies(const ObjectId& id,
                        const std::function<bool(const NodeId&, const std::string&)>& gone) {
  const auto it = owned.find(id);
  if (it == owned.end()) return;
  auto* stored = std::get_if<InStore>(&it->second.state);
  if (stored == nullptr) return;
  std::erase_if(stored->copies, [&](const auto& copy) { return gone(copy.first, copy.second); });
  if (!stored->copies.empty() || it->second.released) return;
  it->second.state = Pending{};
  hooks.on_lost(id);
}

void Impl::DoubtCopies(const ObjectId& id, const std::vector<std::string>& raylet_endpoints) {
  const auto it = owned.find(id);
  if (it == owned.end()) return;
  it->second.doubted.insert(raylet_endpoints.begin(), raylet_endpoints.end());
  RemoveCopies(id, [&](const NodeId&, const std::string& endpoint) {
    return std::ranges::find(raylet_endpoints, endpoint) != raylet_endpoints.end();
  });
}

void Impl::DropNode(const NodeId& node) {
  std::set<ObjectId> affected;  // sorted: what is made again first must not depend on hashing
  for (const auto& [id, entry] : owned) {
    const auto* stored = std::get_if<InStore>(&entry.state);
    if (stored != nullptr && stored->copies.contains(node)) affected.insert(id);
  }
  for (const ObjectId& id : affected) {
    RemoveCopies(id, [&](const NodeId& holder, const std::string&) { return holder == node; });
  }
  for (auto& [id, entry] : borrowed) {
    auto* stored = std::get_if<InStore>(&entry.state);
    if (stored == nullptr || stored->copies.erase(node) == 0) continue;
    if (stored->copies.empty()) entry.state = Pending{};  // ask the owner when it is wanted
  }
}

void Impl::AddLineage(const ObjectId& id) {
  if (const auto it = owned.find(id); it != owned.end()) ++it->second.lineage;
}

void Impl::RemoveLineage(const ObjectId& id) {
  const auto it = owned.find(id);
  if (it == owned.end() || it->second.lineage == 0) return;
  if (--it->second.lineage == 0 && it->second.released) {
    owned.erase(it);
    hooks.on_released(id);
  }
}

void Impl::ReleaseIfUnheld(const ObjectId& id, Owned& entry) {
  if (entry.holds > 0 || !entry.borrowers.empty() || entry.released) return;
  FreeCopies(id, entry.state);
  for (const std::string& endpoint : entry.doubted) to_free[endpoint].push_back(id);
  if (!entry.doubted.empty()) ScheduleFlush();
  entry.state = Pending{};
  entry.contained.clear();
  entry.watches.clear();
  if (entry.lineage > 0) {
    entry.released = true;
    return;
  }
  owned.erase(id);
  hooks.on_released(id);
}

void Impl::FreeCopies(const ObjectId& id, const ObjectState& state) {
  const auto* stored = std::get_if<InStore>(&state);
  if (stored == nullptr) return;
  for (const auto& [node, endpoint] : stored->copies) {
    to_free[endpoint].push_back(id);
  }
  ScheduleFlush();
}

void Impl::HandleWatch(const WatchRequest& request, rpc::Peer* peer) {
  StatusRequest status;
  std::size_t bytes = 0;
  for (const std::string& binary : request.ids()) {
    if (bytes >= kInlineBytesPerMessage) {
      peer->Notify(kStatus, std::exchange(status, {}));
      bytes = 0;
    }
    const ObjectId id(ObjectId::FromBinaryOrNil(binary));
    const auto it = owned.find(id);
    if (it == owned.end()) {
      ToMessage(id,
                Error(ErrorCode::kObjectLost,
                      fmt::format("object {} was freed by its owner", id.Short())),
                status.add_objects());
    } else if (std::holds_alternative<Pending>(it->second.state)) {
      it->second.remote_watchers.push_back(peer);
      continue;
    } else {
      ToMessage(id, it->second.state, status.add_objects());
    }
    bytes += status.objects().rbegin()->ByteSizeLong();
  }
  if (status.objects_size() > 0) peer->Notify(kStatus, status);
}

AddBorrowsReply Impl::HandleAddBorrows(const AddBorrowsRequest& request, rpc::Peer* peer) {
  AddBorrowsReply reply;
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.borrower().worker_id());
  Borrower& borrower = borrowers[worker];
  borrower.peer = peer;
  borrower.grace.reset();
  for (const std::string& binary : request.ids()) {
    const ObjectId id(ObjectId::FromBinaryOrNil(binary));
    if (const auto it = owned.find(id); it != owned.end() && !it->second.released) {
      it->second.borrowers.insert(worker);
      borrower.ids.insert(id);
    } else {
      reply.add_unknown_ids(binary);
    }
  }
  return reply;
}

void Impl::HandleRemoveBorrows(const RemoveBorrowsRequest& request) {
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.borrower_id());
  const auto it = borrowers.find(worker);
  if (it == borrowers.end()) return;
  for (const std::string& binary : request.ids()) {
    const ObjectId id(ObjectId::FromBinaryOrNil(binary));
    if (it->second.ids.erase(id) > 0) RemoveBorrow(id, worker);
  }
  if (it->second.ids.empty()) borrowers.erase(it);
}

void Impl::RemoveBorrow(const ObjectId& id, const WorkerId& borrower) {
  const auto it = owned.find(id);
  if (it == owned.end() || it->second.borrowers.erase(borrower) == 0) return;
  ReleaseIfUnheld(id, it->second);
}

void Impl::HandleReportCopies(const ReportCopiesRequest& request) {
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

void Impl::OnPeerClosed(rpc::Peer* peer) {
  for (auto& [id, entry] : owned) std::erase(entry.remote_watchers, peer);
  for (auto& [worker, borrower] : borrowers) {
    if (borrower.peer != peer) continue;
    borrower.peer = nullptr;
    borrower.grace = std::make_unique<Timer>(deps.loop);
    borrower.grace->Set(config.borrower_grace,
                        alive.Bind([this, worker = worker] { DropBorrower(worker); }));
  }
}

void Impl::DropBorrower(const WorkerId& borrower) {
  const auto it = borrowers.find(borrower);
  if (it == borrowers.end()) return;
  const std::set<ObjectId> ids = std::move(it->second.ids);
  deps.log.Info("object", "borrower_lost", "worker={} objects={}", borrower.Short(), ids.size());
  borrowers.erase(it);
  for (const ObjectId& id : ids) RemoveBorrow(id, borrower);
}

std::size_t Impl::LentCount() const {
  std::size_t count = 0;
  for (const auto& [worker, borrower] : borrowers) count += borrower.ids.size();
  return count;
}

}  // namespace mobula::core_worker
