#include "components/core_worker/owner/owned_objects.h"

#include <algorithm>
#include <set>

#include "components/base/check.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/protocol/owner_methods.h"

namespace mobula::core_worker {
namespace {

/// Values on their way to one borrower; the others wait for it to take them.
constexpr std::uint64_t kAnswersQueuedMax = 32ULL << 20;
constexpr Duration kAnswersPause = std::chrono::milliseconds(1);

std::vector<ObjectId> ToIds(const auto& binaries) {
  std::vector<ObjectId> ids;
  for (const std::string& binary : binaries) ids.emplace_back(ObjectId::FromBinaryOrNil(binary));
  return ids;
}

}  // namespace

OwnedObjects::OwnedObjects(Deps deps, Config config, Hooks hooks)
    : deps_(deps),
      hooks_(std::move(hooks)),
      deleter_(deps.loop, deps.peers, config.batch_ids_max),
      borrowers_(
          deps.loop, deps.log, config.borrower_grace,
          [this](const ObjectId& id, const WorkerId& borrower) { RemoveBorrow(id, borrower); }) {}

// ---- holds ----

internal::ReferencePtr OwnedObjects::New(const ObjectId& id, const OwnerPtr& us, ObjectState state,
                                         std::vector<internal::ReferencePtr> contained) {
  OwnedObject& object = deps_.objects.Add(id, us);
  internal::ReferencePtr held = Hold(object);
  if (!std::holds_alternative<Pending>(state)) Set(object, std::move(state), std::move(contained));
  return held;
}

internal::ReferencePtr OwnedObjects::Hold(OwnedObject& object) {
  // All references of this process are shares of the object itself. `holds` counts how often the
  // number of shares rose from zero: each such time ends in one `Drop`, and that may come late.
  if (object.shares.fetch_add(1) == 0) {
    object.holds = object.holds + 1U;
    Check(object.holds != 0, "releases are counted in time");
  }
  return {&object, false};
}

void OwnedObjects::Drop(OwnedObject& object) {
  Check(object.holds > 0, "an owned object is released as often as it was held");
  --object.holds;
  ReleaseIfUnheld(object);
}

void OwnedObjects::AddLineage(const ObjectId& id) {
  // A finished task may have to run again and needs this object then.
  if (OwnedObject* object = Find(id)) ++object->MakeDetails().lineage;
}

void OwnedObjects::RemoveLineage(const ObjectId& id) {
  OwnedObject* object = Find(id);
  OwnedDetails* details = object == nullptr ? nullptr : object->Details();
  if (details == nullptr || details->lineage == 0) return;
  // The value is gone already and lineage was the last that needed the id.
  if (--details->lineage == 0 && object->is_released) Forget(*object);
}

void OwnedObjects::RemoveBorrow(const ObjectId& id, const WorkerId& borrower) {
  OwnedObject* object = Find(id);
  if (object == nullptr || object->Details() == nullptr) return;
  if (object->Details()->borrowers.erase(borrower) > 0) ReleaseIfUnheld(*object);
}

void OwnedObjects::ReleaseIfUnheld(OwnedObject& object) {
  if (object.IsHeld() || object.is_released) return;
  if (const OwnedDetails* details = object.Details()) {
    DeleteCopies(object.id, object.Stored());
    // A raylet that once had no copy may have finished storing one since: it is told all the same.
    for (const std::string& endpoint : details->doubted) deleter_.Delete(object.id, endpoint);
    // A finished task may have to run again, and it needs this object then. Only the id is kept for
    // that: the value would be made again first.
    if (const std::size_t lineage = details->lineage; lineage > 0) {
      object.is_released = 1;
      object.Clear();
      object.MakeDetails().lineage = lineage;
      return;
    }
  }
  Forget(object);
}

void OwnedObjects::Forget(OwnedObject& object) {
  const ObjectId id = object.id;
  deps_.objects.Erase(object);
  hooks_.on_released(id);
}

// ---- states ----

void OwnedObjects::SetState(const ObjectId& id, ObjectState state,
                            std::vector<internal::ReferencePtr> contained) {
  OwnedObject* object = Find(id);
  if (object == nullptr || object->is_released) {
    // Released while its task ran: the result is not wanted, and neither are its bytes.
    DeleteCopies(id, std::get_if<InStore>(&state));
  } else {
    Set(*object, std::move(state), std::move(contained));
  }
}

// A result may come from an attempt that was believed lost, after a later one has answered. The
// first one counts, so that a reader never sees the object change.
void OwnedObjects::SetIfPending(const ObjectId& id, ObjectState state,
                                std::vector<internal::ReferencePtr> contained) {
  OwnedObject* object = Find(id);
  if (object == nullptr || object->is_released || !object->IsPending()) return;
  Set(*object, std::move(state), std::move(contained));
}

void OwnedObjects::Set(OwnedObject& object, ObjectState state,
                       std::vector<internal::ReferencePtr> contained) {
  object.SetState(std::move(state));
  // The value holds what it refers to, so that its readers still find those objects.
  if (object.Details() != nullptr || !contained.empty()) {
    object.MakeDetails().contained = std::move(contained);
  }
  // The last hold may have been dropped while the value was on its way.
  if (object.IsHeld()) {
    TellWatchers(object);
  } else {
    ReleaseIfUnheld(object);
  }
}

void OwnedObjects::SetPending(const ObjectId& id) {
  if (OwnedObject* object = Find(id)) object->SetState(Pending{});
}

void OwnedObjects::AddWatch(OwnedObject& object, WatchId watch) {
  Want(object);
  if (object.IsPending()) {
    // Told by `TellWatchers`, in the order of asking.
    object.MakeDetails().watches.push_back(watch);
  } else {
    deps_.watches.Wake({watch});
  }
}

void OwnedObjects::Want(OwnedObject& object) {
  if (!object.is_released) return;
  object.is_released = 0;
  // Not inside this call: to make it again may change the very task that asks.
  deps_.loop.Post(alive_.Bind([this, id = object.id] { hooks_.on_lost(id); }));
}

void OwnedObjects::TellWatchers(OwnedObject& object) {
  OwnedDetails* details = object.Details();
  if (details == nullptr || object.IsPending()) return;
  deps_.watches.Wake(std::exchange(details->watches, {}));
  if (details->remote_watchers.empty()) return;
  // Borrowers that asked before there was an answer get it now, all the same message.
  protocol::StatusRequest status;
  ToMessage(object.id, details->state, status.add_objects());
  for (rpc::Peer* peer : std::exchange(details->remote_watchers, {})) {
    peer->Notify(protocol::kStatus, status);
  }
}

// ---- copies ----

void OwnedObjects::AddCopy(const ObjectId& id, const NodeId& node, const std::string& endpoint) {
  OwnedObject* object = Find(id);
  // Freed, or failed, while it was copied: that copy is in nobody's books and must go.
  if (object == nullptr || object->is_released || std::holds_alternative<Error>(object->State())) {
    deleter_.Delete(id, endpoint);
    return;
  }
  if (InStore* stored = object->Stored()) stored->copies.insert_or_assign(node, endpoint);
}

void OwnedObjects::RemoveCopies(const ObjectId& id, const IsGone& is_gone) {
  OwnedObject* object = Find(id);
  InStore* stored = object == nullptr ? nullptr : object->Stored();
  if (stored == nullptr) return;
  std::erase_if(stored->copies, [&](const auto& copy) { return is_gone(copy.first, copy.second); });
  if (!stored->copies.empty() || object->is_released) return;
  // That was the last copy, and somebody holds the object: its task has to run again.
  object->SetState(Pending{});
  hooks_.on_lost(id);
}

void OwnedObjects::DoubtCopies(const ObjectId& id,
                               const std::vector<std::string>& raylet_endpoints) {
  OwnedObject* object = Find(id);
  if (object == nullptr) return;
  // A raylet without the copy may be about to get it: it is told to delete it when the object goes.
  object->MakeDetails().doubted.insert(raylet_endpoints.begin(), raylet_endpoints.end());
  RemoveCopies(id, [&](const NodeId&, const std::string& endpoint) {
    return std::ranges::find(raylet_endpoints, endpoint) != raylet_endpoints.end();
  });
}

void OwnedObjects::DropNode(const NodeId& node) {
  std::set<ObjectId> affected;  // sorted: what is made again first must not depend on hashing
  deps_.objects.ForEach([&](const OwnedObject& object) {
    const InStore* stored = object.Stored();
    if (stored != nullptr && stored->copies.contains(node)) affected.insert(object.id);
  });
  for (const ObjectId& id : affected) {
    RemoveCopies(id, [&](const NodeId& holder, const std::string&) { return holder == node; });
  }
}

void OwnedObjects::DeleteCopies(const ObjectId& id, const InStore* stored) {
  if (stored == nullptr) return;
  for (const auto& [node, endpoint] : stored->copies) deleter_.Delete(id, endpoint);
}

// ---- what borrowers ask and tell ----

void OwnedObjects::AddHandlers(rpc::ServiceTable& services) {
  const auto bind = [this](auto handler) { return alive_.Bind(std::move(handler)); };
  services.HandleNotification(
      protocol::kWatch, bind([this](auto& request, auto& peer) { HandleWatch(request, &peer); }));
  services.Handle(protocol::kReportCopies,
                  bind([this](auto& request, rpc::CallContext, auto respond) {
                    HandleReportCopies(request);
                    respond(protocol::Ack());
                  }));
  services.Handle(protocol::kAddBorrows,
                  bind([this](auto& request, rpc::CallContext call, auto respond) {
                    HandleAddBorrows(request, call.peer);
                    respond(protocol::Ack());
                  }));
  services.Handle(
      protocol::kRemoveBorrows, bind([this](auto& request, rpc::CallContext, auto respond) {
        borrowers_.Remove(WorkerId::FromBinaryOrNil(request.borrower_id()), ToIds(request.ids()));
        respond(protocol::Ack());
      }));
}

void OwnedObjects::HandleWatch(const protocol::WatchRequest& request, rpc::Peer* peer) {
  // While an earlier question of this peer is being answered, this one queues behind it.
  std::deque<ObjectId>& asked = unanswered_[peer];
  const bool is_first = asked.empty();
  for (const std::string& id : request.ids()) asked.emplace_back(ObjectId::FromBinaryOrNil(id));
  if (is_first) AnswerWatches(peer);
}

// Answers no faster than the borrower takes it: ten thousand values are more than a connection may
// hold.
void OwnedObjects::AnswerWatches(rpc::Peer* peer) {
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
      OwnedObject* object = Find(id);
      const bool is_freed = object == nullptr || object->is_released;
      if (!is_freed && object->IsPending()) {
        object->MakeDetails().remote_watchers.push_back(peer);  // told as soon as it is known
        continue;
      }
      const auto state = is_freed
                             ? Error(ErrorCode::kObjectLost,
                                     fmt::format("object {} was freed by its owner", id.Short()))
                             : object->State();
      ToMessage(id, state, status.add_objects());
      bytes += status.objects().rbegin()->ByteSizeLong();
    }
    if (status.objects_size() > 0) peer->Notify(protocol::kStatus, status);
    peer->Flush();
  }
  unanswered_.erase(it);
}

void OwnedObjects::HandleAddBorrows(const protocol::AddBorrowsRequest& request, rpc::Peer* peer) {
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.borrower().worker_id());
  // This connection is the borrower's life line: its borrows end if it is lost and does not come
  // back.
  borrowers_.Connect(worker, peer);
  for (const ObjectId& id : ToIds(request.ids())) {
    OwnedObject* object = Find(id);
    // Freed already: the borrower learns it when it asks for the value.
    if (object == nullptr || object->is_released) continue;
    // Noted on both sides: here to see when nobody holds the object, there to end all borrows of a
    // process that dies.
    object->MakeDetails().borrowers.insert(worker);
    borrowers_.Add(worker, id);
  }
}

void OwnedObjects::HandleReportCopies(const protocol::ReportCopiesRequest& request) {
  // A node has pulled a copy. Other readers can be sent there, and it is freed with the other
  // copies.
  for (const ObjectId& id : ToIds(request.added_ids())) {
    AddCopy(id, NodeId::FromBinaryOrNil(request.node().node_id()),
            request.node().raylet_endpoint());
  }
  // A raylet has dropped its copy to make room. If it was the last one, the object is made again.
  const NodeId reporter = NodeId::FromBinaryOrNil(request.node().node_id());
  for (const ObjectId& id : ToIds(request.evicted_ids())) {
    RemoveCopies(id, [&](const NodeId& node, const std::string&) { return node == reporter; });
  }
  const std::vector<std::string> doubted(request.missing_endpoints().begin(),
                                         request.missing_endpoints().end());
  for (const ObjectId& id : ToIds(request.missing_ids())) DoubtCopies(id, doubted);
}

void OwnedObjects::OnPeerClosed(rpc::Peer& peer) {
  // What it asked for it will ask again when it is connected again.
  unanswered_.erase(&peer);
  deps_.objects.ForEach([&](const OwnedObject& object) {
    if (OwnedDetails* details = object.Details()) std::erase(details->remote_watchers, &peer);
  });
  borrowers_.OnPeerClosed(peer);
}

std::uint64_t OwnedObjects::InlineBytes() const {
  std::uint64_t bytes = 0;
  deps_.objects.ForEach([&](const OwnedObject& object) {
    const ObjectState state = object.State();
    if (const auto* value = std::get_if<Payload>(&state)) bytes += value->size();
  });
  return bytes;
}

void OwnedObjects::Stop() {
  alive_.End();
  borrowers_.Stop();
  unanswered_.clear();
  // User code may keep references longer than this process's part in the cluster lasts.
  std::vector<OwnedObject*> unheld;
  deps_.objects.ForEach([&](OwnedObject& object) {
    object.Clear();
    if (object.holds == 0) unheld.push_back(&object);
  });
  for (OwnedObject* object : unheld) deps_.objects.Erase(*object);
  deps_.objects.Abandon();  // the others are references that outlive this
}

void OwnedObjects::CheckInvariants() const {
  deps_.objects.ForEach([&](const OwnedObject& object) {
    Check(!object.is_released || object.holds == 0, "a freed value has no holder");
    const OwnedDetails* details = object.Details();
    Check(!object.is_released || (details && details->lineage > 0), "… but lineage, and needs it");
    if (details == nullptr) return;
    for (const WorkerId& borrower : details->borrowers) {
      Check(borrowers_.Has(borrower, object.id), "every borrow is known from both sides");
    }
  });
}

}  // namespace mobula::core_worker
