#include "components/core_worker/references.h"

#include "components/base/check.h"
#include "components/core_worker/methods.h"

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

void ReferenceTable::SetSelf(const Address& self) {
  self_ = self;
  self_owner_ = NewOwner(self_.SerializeAsString());
}

OwnerPtr ReferenceTable::NewOwner(std::string_view encoded) {
  return std::make_shared<const internal::Owner>(std::string(encoded),
                                                 [queue = released_](const ObjectId& id) {
                                                   const std::lock_guard lock(queue->mutex);
                                                   if (!queue->schedule) return;
                                                   queue->ids.push_back(id);
                                                   if (queue->ids.size() == 1) queue->schedule();
                                                 });
}

internal::ReferencePtr ReferenceTable::Hold(const ObjectId& id, const OwnerPtr& owner) {
  if (OwnedObject* entry = FindOwned(id)) {
    ++entry->holds;
    return std::make_shared<const internal::Reference>(id, self_owner_);
  }
  ++AddBorrowed(id, owner).holds;
  return std::make_shared<const internal::Reference>(id, owner);
}

void ReferenceTable::DrainReleases() {
  std::vector<ObjectId> ids;
  {
    const std::lock_guard lock(released_->mutex);
    ids.swap(released_->ids);
  }
  for (const ObjectId& id : ids) {
    if (const auto it = owned_.find(id); it != owned_.end()) {
      Check((*it)->holds > 0, "an owned object is released as often as it was held");
      --(*it)->holds;
      ReleaseIfUnheld(it);
    } else if (const auto borrow = borrowed_.find(id); borrow != borrowed_.end()) {
      Check(borrow->second.holds > 0, "a borrowed object is released as often as it was held");
      if (--borrow->second.holds == 0) ReleaseBorrowed(id, borrow->second);
    }
  }
}

OwnerPtr ReferenceTable::Intern(std::string_view encoded) {
  if (last_interned_ && encoded == last_interned_->address) return last_interned_;
  if (self_owner_ && encoded == self_owner_->address) return self_owner_;
  if (const auto it = interned_.find(encoded); it != interned_.end()) {
    if (auto known = it->second.lock()) return last_interned_ = std::move(known);
  }
  if (interned_.size() >= interned_prune_at_) {
    std::erase_if(interned_, [](const auto& entry) { return entry.second.expired(); });
    interned_prune_at_ = 2 * interned_.size() + 64;
  }
  last_interned_ = NewOwner(encoded);
  interned_.insert_or_assign(last_interned_->address, last_interned_);
  return last_interned_;
}

ObjectState ReferenceTable::Peek(const ObjectId& id) const {
  if (const OwnedObject* entry = FindOwned(id)) return entry->State();
  if (const auto it = borrowed_.find(id); it != borrowed_.end()) return it->second.state;
  return Pending{};
}

bool ReferenceTable::IsOwned(const ObjectId& id) const { return FindOwned(id) != nullptr; }
bool ReferenceTable::IsKnown(const ObjectId& id) const {
  return IsOwned(id) || borrowed_.contains(id);
}

std::optional<ObjectState> ReferenceTable::PeekOrAwait(const ObjectId& id, WaitSet& waits,
                                                       std::size_t index) {
  if (OwnedObject* entry = FindOwned(id)) {
    if (!entry->IsPending()) return entry->State();
    entry->waiting.Add(waits, index);
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
  if (OwnedObject* entry = FindOwned(id)) {
    if (entry->is_released) {  // its value was freed and is wanted again: make it again
      entry->is_released = 0;
      deps_.loop.Post(alive_.Bind([this, id] { hooks_.on_lost(id); }));
    }
    if (entry->IsPending()) {
      entry->MakeRare().watches.push_back(watch);
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
      if (OwnedObject* entry = FindOwned(object)) {
        entry->MakeRare().watches.push_back(id);
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
  {
    const std::lock_guard lock(released_->mutex);
    released_->schedule = nullptr;
    released_->ids.clear();
  }
  alive_.End();
  watches_.clear();
  after_.clear();
  borrowers_.clear();
  links_.clear();
  owned_.clear();
  borrowed_.clear();
}

void ReferenceTable::AddHandlers(rpc::ServiceTable& services) {
  const auto bind = [this](auto handler) { return alive_.Bind(std::move(handler)); };
  services.Hear(kWatch, bind([this](auto& request, auto& peer) { HandleWatch(request, &peer); }));
  services.Hear(kStatus, bind([this](auto& request, auto&) { HandleStatus(request); }));
  services.Hear(kReportCopies, bind([this](auto& request, auto&) { HandleReportCopies(request); }));
  services.Handle(kAddBorrows, bind([this](auto& request, rpc::CallContext call, auto respond) {
                    respond(HandleAddBorrows(request, call.peer));
                  }));
  services.Handle(kRemoveBorrows, bind([this](auto& request, rpc::CallContext, auto respond) {
                    HandleRemoveBorrows(request);
                    respond(NoReply());
                  }));
}

ReferenceTable::Census ReferenceTable::Count() const {
  Census census{.owned = owned_.size(),
                .borrowed = borrowed_.size(),
                .watches = watches_.size(),
                .inline_bytes = 0};
  for (const auto& entry : owned_) census.inline_bytes += entry->value.size();
  return census;
}

void ReferenceTable::CheckInvariants() const {
  for (const auto& entry : owned_) {
    Check(!entry->is_released || entry->holds == 0, "a freed value has no holder");
    if (entry->rare == nullptr) {
      Check(!entry->is_released, "a freed value is remembered for lineage");
      continue;
    }
    Check(!entry->is_released || entry->rare->lineage > 0, "… for lineage only");
    for (const WorkerId& borrower : entry->rare->borrowers) {
      const auto it = borrowers_.find(borrower);
      Check(it != borrowers_.end() && it->second.ids.contains(entry->id),
            "every borrow is known from both sides");
    }
  }
  for (const auto& [id, entry] : borrowed_) {
    Check(entry.holds > 0 || entry.is_releasing, "a borrow without a hold is being released");
  }
}

}  // namespace mobula::core_worker
