// \edge: takes messages apart and calls what the chapter explains
#include "components/core_worker/owner/borrowed_objects.h"

#include "components/base/check.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/protocol/owner_methods.h"

namespace mobula::core_worker {

void BorrowedObjects::Hold(const ObjectId& id, const OwnerPtr& owner) {
  const auto [it, is_new] = objects_.try_emplace(id);
  Borrowed& object = it->second;
  ++object.holds;
  object.is_releasing = false;  // held again before the owner was told
  // Only the first hold is news to the owner. It counts processes; we count our own holds.
  if (!is_new) return;
  object.owner = owner;
  links_.AddBorrow(id, owner);
}

void BorrowedObjects::Drop(const ObjectId& id) {
  const auto it = objects_.find(id);
  if (it == objects_.end()) return;
  Check(it->second.holds > 0, "a borrowed object is released as often as it was held");
  if (--it->second.holds > 0) return;
  // The last hold is gone, but the owner is not told yet. This object may have arrived inside
  // another, or with it; were it given up before all that came with it is registered, the process
  // that passed it on could let go too early.
  it->second.is_releasing = true;
  links_.AfterAcknowledged([this, id] { FinishRelease(id); });
}

void BorrowedObjects::FinishRelease(const ObjectId& id) {
  const auto it = objects_.find(id);
  if (it == objects_.end() || !it->second.is_releasing) return;  // held again while we waited
  links_.RemoveBorrow(id, it->second.owner);
  objects_.erase(it);
}

// ---- states ----

ObjectState BorrowedObjects::Peek(const ObjectId& id) const {
  const auto it = objects_.find(id);
  return it == objects_.end() ? Pending{} : it->second.state;
}

std::optional<ObjectState> BorrowedObjects::PeekOrAwait(const ObjectId& id, WaitSet& waits,
                                                        std::size_t index) {
  const auto it = objects_.find(id);
  if (it == objects_.end()) return Pending{};
  Borrowed& object = it->second;
  // To ask may tell at once: an owner that is known to be lost has no more to say.
  if (std::holds_alternative<Pending>(object.state)) Ask(id, object);
  if (!std::holds_alternative<Pending>(object.state)) return object.state;
  object.waiting.Add(waits, index);
  return std::nullopt;
}

void BorrowedObjects::AddWatch(const ObjectId& id, WatchId watch) {
  const auto it = objects_.find(id);
  if (it == objects_.end()) return;
  Borrowed& object = it->second;
  if (std::holds_alternative<Pending>(object.state)) {
    // Nobody asked for the value so far: most borrowed references are only passed on.
    object.watches.push_back(watch);
    Ask(id, object);
  } else {
    watches_.Wake({watch});
  }
}

void BorrowedObjects::Ask(const ObjectId& id) {
  const auto it = objects_.find(id);
  if (it == objects_.end() || !std::holds_alternative<Pending>(it->second.state)) return;
  Ask(id, it->second);
}

void BorrowedObjects::Ask(const ObjectId& id, Borrowed& object) {
  // One question is enough: the owner answers when the object is known, however late.
  if (std::exchange(object.is_asked, true)) return;
  links_.AskFor(id, object.owner);
}

bool BorrowedObjects::IsAsked(const ObjectId& id) const {
  const auto it = objects_.find(id);
  return it != objects_.end() && it->second.is_asked;
}

void BorrowedObjects::SetState(const ObjectId& id, ObjectState state) {
  const auto it = objects_.find(id);
  if (it == objects_.end()) return;
  Borrowed& object = it->second;
  // This answers the question. If its copies turn out to be gone, the owner is asked anew.
  object.state = std::move(state);
  object.is_asked = false;
  object.waiting.Tell();
  watches_.Wake(std::exchange(object.watches, {}));
}

// ---- copies ----

void BorrowedObjects::ReportMissing(const ObjectId& id, std::vector<std::string> endpoints) {
  const auto it = objects_.find(id);
  // An error is final: it says more than that a copy is missing.
  if (it == objects_.end() || std::holds_alternative<Error>(it->second.state)) return;
  it->second.state = Pending{};
  links_.ReportMissing(id, it->second.owner, std::move(endpoints));
}

// Its owner must know of our copy, to free it one day and to send others to it.
void BorrowedObjects::ReportCopy(const ObjectId& id, const NodeId& node,
                                 const std::string& endpoint) {
  const auto it = objects_.find(id);
  if (it != objects_.end()) links_.ReportCopy(id, it->second.owner, node, endpoint);
}

void BorrowedObjects::DropNode(const NodeId& node) {
  for (auto& [id, object] : objects_) {
    auto* stored = std::get_if<InStore>(&object.state);
    if (stored == nullptr || stored->copies.erase(node) == 0) continue;
    // The owner is asked when the object is wanted: it may have it made again until then.
    if (stored->copies.empty()) object.state = Pending{};
  }
}

void BorrowedObjects::AddHandlers(rpc::ServiceTable& services) {
  services.HandleNotification(
      protocol::kStatus, alive_.Bind([this](const protocol::StatusRequest& request, auto&) {
        for (const protocol::ObjectStatus& status : request.objects()) {
          if (status.state_case() == protocol::ObjectStatus::kPending) continue;
          SetState(ObjectId(ObjectId::FromBinaryOrNil(status.id())), FromMessage(status));
        }
      }));
}

void BorrowedObjects::Stop() {
  alive_.End();
  objects_.clear();
}

void BorrowedObjects::CheckInvariants() const {
  for (const auto& [id, object] : objects_) {
    Check(object.holds > 0 || object.is_releasing, "a borrow without a hold is being released");
  }
}

}  // namespace mobula::core_worker
