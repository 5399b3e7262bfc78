#include "components/core_worker/owner/references.h"

#include "components/base/check.h"
#include "components/protocol/owner_methods.h"

namespace mobula::core_worker {

WaitSet::~WaitSet() {
  for (Node& node : nodes_) {
    if (node.from == nullptr) continue;
    *node.from = node.next;
    if (node.next != nullptr) node.next->from = node.from;
  }
}

WaitList::~WaitList() {
  while (first_ != nullptr) std::exchange(first_, first_->next)->from = nullptr;
}

void WaitList::TakeFrom(WaitList& other) {
  first_ = std::exchange(other.first_, nullptr);
  if (first_ != nullptr) first_->from = &first_;
}

void WaitList::Add(WaitSet& set, std::size_t index) {
  if (set.nodes_.empty()) set.nodes_.resize(set.size_);
  WaitSet::Node& node = set.nodes_[index];
  node = {.set = &set, .next = first_, .from = &first_};
  if (first_ != nullptr) first_->from = &node.next;
  first_ = &node;
}

void WaitList::Tell() {
  while (first_ != nullptr) {
    WaitSet::Node& node = *std::exchange(first_, first_->next);
    node.from = nullptr;
    node.set->ready_.push_back(static_cast<std::size_t>(&node - node.set->nodes_.data()));
    node.set->changed_.Notify();
  }
}

ReferenceTable::ReferenceTable(Deps deps, Config config, Hooks hooks)
    : deps_(deps), config_(config), hooks_(std::move(hooks)) {
  released_->schedule = [this] { deps_.loop.Defer(alive_.Bind([this] { DrainReleases(); })); };
}

ReferenceTable::~ReferenceTable() { Stop(); }

void ReferenceTable::SetSelf(const protocol::Address& self) {
  self_ = self;
  self_owner_ = NewOwner(self_.SerializeAsString(), Kind::kOwned);
}

OwnerPtr ReferenceTable::NewOwner(std::string_view encoded, Kind kind) {
  const auto released = [queue = released_, kind](internal::Reference& reference) {
    const std::lock_guard lock(queue->mutex);
    if (queue->schedule) {
      queue->references.push_back(&reference);
      if (queue->references.size() == 1) queue->schedule();
    } else if (kind == Kind::kOwned) {
      reference.owner.reset();  // its memory is the table's
    } else {
      delete &reference;
    }
  };
  return new internal::Owner(std::string(encoded), released);
}

internal::ReferencePtr ReferenceTable::Hold(OwnedObject& entry) {
  if (entry.shares.fetch_add(1) == 0) {
    entry.holds = entry.holds + 1U;
    Check(entry.holds != 0, "releases are counted in time");
  }
  return {&entry, false};
}

internal::ReferencePtr ReferenceTable::Hold(const ObjectId& id, const OwnerPtr& owner) {
  if (OwnedObject* entry = owned_.Find(id)) return Hold(*entry);
  ++AddBorrowed(id, owner).holds;
  return new internal::Reference(id, owner);
}

void ReferenceTable::DrainReleases() {
  std::vector<const internal::Reference*> references;
  {
    const std::lock_guard lock(released_->mutex);
    references.swap(released_->references);
  }
  for (const internal::Reference* reference : references) {
    if (reference->owner == self_owner_) {
      OwnedObject& entry = *OwnedObject::Of(*reference);
      Check(entry.holds > 0, "an owned object is released as often as it was held");
      --entry.holds;
      ReleaseIfUnheld(entry);
      continue;
    }
    if (const auto borrow = borrowed_.find(reference->id); borrow != borrowed_.end()) {
      Check(borrow->second.holds > 0, "a borrowed object is released as often as it was held");
      if (--borrow->second.holds == 0) ReleaseBorrowed(reference->id, borrow->second);
    }
    delete reference;
  }
}

OwnerPtr ReferenceTable::Intern(std::string_view encoded) {
  if (const auto it = interned_.find(encoded); it != interned_.end()) return it->second;
  if (interned_.size() >= interned_prune_at_) {
    std::erase_if(interned_, [](const auto& entry) { return entry.second->use_count() == 1; });
    interned_prune_at_ = 2 * interned_.size() + 64;
  }
  return interned_.emplace(encoded, NewOwner(encoded, Kind::kBorrowed)).first->second;
}

ObjectState ReferenceTable::Peek(const ObjectId& id) const {
  if (const OwnedObject* entry = owned_.Find(id)) return entry->State();
  if (const auto it = borrowed_.find(id); it != borrowed_.end()) return it->second.state;
  return Pending{};
}

bool ReferenceTable::IsOwned(const ObjectId& id) const { return owned_.Find(id) != nullptr; }
bool ReferenceTable::IsKnown(const ObjectId& id) const {
  return IsOwned(id) || borrowed_.contains(id);
}

std::optional<ObjectState> ReferenceTable::PeekOrAwait(const internal::Reference& reference,
                                                       WaitSet& waits, std::size_t index) {
  const ObjectId& id = reference.id;
  const bool is_owned =
      reference.owner == self_owner_ && owned_.size() > 0;  // then it is the entry
  if (auto* owned = is_owned ? OwnedObject::Of(reference) : owned_.Find(id)) {
    if (!owned->IsPending()) return owned->State();
    owned->Waiting().Add(waits, index);
    return std::nullopt;
  }
  const auto it = borrowed_.find(id);
  if (it == borrowed_.end()) return Pending{};
  BorrowedObject& entry = it->second;
  if (std::holds_alternative<Pending>(entry.state)) AskOwner(id, entry);  // it may know at once
  if (!std::holds_alternative<Pending>(entry.state)) return entry.state;
  entry.waiting.Add(waits, index);
  return std::nullopt;
}

WatchId ReferenceTable::Watch(const ObjectId& id,
                              std::function<void(const ObjectId&, const ObjectState&)> done) {
  const WatchId watch = ++last_watch_;
  watches_.emplace(watch, Waiting{id, std::move(done)});
  if (OwnedObject* entry = owned_.Find(id)) {
    if (entry->is_released) {  // its value was freed and is wanted again: make it again
      entry->is_released = 0;
      deps_.loop.Post(alive_.Bind([this, id] { hooks_.on_lost(id); }));
    }
    if (entry->IsPending()) {
      entry->MakeDetails().watches.push_back(watch);
    } else {
      Wake({watch});
    }
    return watch;
  }
  const auto it = borrowed_.find(id);
  Check(it != borrowed_.end(), "only a held object is watched");
  it->second.watches.push_back(watch);
  if (!std::holds_alternative<Pending>(it->second.state)) {
    Wake(std::exchange(it->second.watches, {}));
  } else {
    AskOwner(id, it->second);
  }
  return watch;
}

void ReferenceTable::Unwatch(WatchId watch) { watches_.erase(watch); }

void ReferenceTable::Wake(std::vector<WatchId> ids) {
  if (ids.empty()) return;
  deps_.loop.Post(alive_.Bind([this, ids = std::move(ids)] { RunWatches(ids); }));
}

void ReferenceTable::RunWatches(const std::vector<WatchId>& ids) {
  for (const WatchId id : ids) {
    const auto it = watches_.find(id);
    if (it == watches_.end()) continue;
    const ObjectId object = it->second.id;
    const ObjectState state = Peek(object);
    if (std::holds_alternative<Pending>(state)) {  // lost again meanwhile: keep waiting
      if (OwnedObject* entry = owned_.Find(object)) {
        entry->MakeDetails().watches.push_back(id);
      } else if (const auto borrow = borrowed_.find(object); borrow != borrowed_.end()) {
        borrow->second.watches.push_back(id);
        AskOwner(object, borrow->second);
      }
      continue;
    }
    const auto done = std::move(it->second.done);
    watches_.erase(it);
    done(object, state);
  }
}

void ReferenceTable::Stop() {
  std::vector<const internal::Reference*> released;
  {
    const std::lock_guard lock(released_->mutex);
    released_->schedule = nullptr;
    released.swap(released_->references);
  }
  alive_.End();
  for (const internal::Reference* one : released) {
    if (one->owner == self_owner_) {
      --OwnedObject::Of(*one)->holds;
    } else {
      delete one;
    }
  }
  watches_.clear();
  after_.clear();
  borrowers_.clear();
  links_.clear();
  borrowed_.clear();
  std::vector<OwnedObject*> unheld;
  owned_.ForEach([&](OwnedObject& entry) {
    entry.Clear();
    if (entry.holds == 0) unheld.push_back(&entry);
  });
  for (OwnedObject* entry : unheld) owned_.Erase(*entry);
  owned_.Abandon();  // the others are references that outlive this
}

void ReferenceTable::AddHandlers(rpc::ServiceTable& services) {
  const auto bind = [this](auto handler) { return alive_.Bind(std::move(handler)); };
  services.HandleNotification(
      protocol::kWatch, bind([this](auto& request, auto& peer) { HandleWatch(request, &peer); }));
  services.HandleNotification(protocol::kStatus,
                              bind([this](auto& request, auto&) { HandleStatus(request); }));
  services.HandleNotification(protocol::kReportCopies,
                              bind([this](auto& request, auto&) { HandleReportCopies(request); }));
  services.Handle(protocol::kAddBorrows,
                  bind([this](auto& request, rpc::CallContext call, auto respond) {
                    HandleAddBorrows(request, call.peer);
                    respond(protocol::NoReply());
                  }));
  services.Handle(protocol::kRemoveBorrows,
                  bind([this](auto& request, rpc::CallContext, auto respond) {
                    HandleRemoveBorrows(request);
                    respond(protocol::NoReply());
                  }));
}

ReferenceTable::Census ReferenceTable::Count() const {
  Census census{.owned = owned_.size(),
                .borrowed = borrowed_.size(),
                .watches = watches_.size(),
                .inline_bytes = 0};
  owned_.ForEach([&](const OwnedObject& entry) {
    const ObjectState state = entry.State();
    if (const auto* value = std::get_if<Payload>(&state)) census.inline_bytes += value->size();
  });
  return census;
}

void ReferenceTable::CheckInvariants() const {
  owned_.ForEach([&](const OwnedObject& entry) {
    Check(!entry.is_released || entry.holds == 0, "a freed value has no holder");
    const OwnedDetails* details = entry.Details();
    Check(!entry.is_released || (details && details->lineage > 0), "… but lineage, and needs it");
    if (details == nullptr) return;
    for (const WorkerId& borrower : details->borrowers) {
      const auto it = borrowers_.find(borrower);
      Check(it != borrowers_.end() && it->second.ids.contains(entry.id),
            "every borrow is known from both sides");
    }
  });
  for (const auto& [id, entry] : borrowed_) {
    Check(entry.holds > 0 || entry.is_releasing, "a borrow without a hold is being released");
  }
}

}  // namespace mobula::core_worker
