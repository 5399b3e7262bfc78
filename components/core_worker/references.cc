#include "components/core_worker/references.h"

#include "components/base/check.h"
#include "components/core_worker/methods.h"
#include "components/core_worker/reference_table.h"

namespace mobula::core_worker {
namespace {

/// The hold behind a `ReferencePtr`.
template <typename Table>
struct HeldReference final : internal::Reference {
  explicit HeldReference(std::weak_ptr<Table> owner_table) : table(std::move(owner_table)) {}
  ~HeldReference() override {
    if (const auto alive = table.lock()) alive->QueueRelease(id);
  }
  std::weak_ptr<Table> table;
};

}  // namespace

using Impl = ReferenceTable::Impl;

Impl::Impl(Deps the_deps, Config the_config, Hooks the_hooks)
    : deps(the_deps), config(the_config), hooks(std::move(the_hooks)) {}

internal::ReferencePtr Impl::Hold(const ObjectId& id, OwnerPtr owner) {
  if (const auto it = owned.find(id); it != owned.end()) {
    ++it->second.holds;
    owner = self_encoded;
  } else {
    ++AddBorrowed(id, owner).holds;
  }
  auto held = std::make_shared<HeldReference<Impl>>(weak_from_this());
  held->id = id;
  held->owner = std::move(owner);
  return held;
}

void Impl::QueueRelease(const ObjectId& id) {
  const std::lock_guard lock(release_mutex);
  if (stopped) return;
  released.push_back(id);
  if (released.size() == 1) {
    deps.loop.Post([weak = weak_from_this()] {
      if (const auto table = weak.lock()) table->DrainReleases();
    });
  }
}

void Impl::DrainReleases() {
  std::vector<ObjectId> ids;
  {
    const std::lock_guard lock(release_mutex);
    ids.swap(released);
  }
  for (const ObjectId& id : ids) {
    if (const auto it = owned.find(id); it != owned.end()) {
      Check(it->second.holds > 0, "an owned object is released as often as it was held");
      --it->second.holds;
      ReleaseIfUnheld(id, it->second);
    } else if (const auto borrow = borrowed.find(id); borrow != borrowed.end()) {
      Check(borrow->second.holds > 0, "a borrowed object is released as often as it was held");
      if (--borrow->second.holds == 0) ReleaseBorrowed(id, borrow->second);
    }
  }
}

OwnerPtr Impl::Intern(std::string_view encoded) {
  if (self_encoded && encoded == *self_encoded) return self_encoded;
  if (const auto it = interned.find(encoded); it != interned.end()) {
    if (auto known = it->second.lock()) return known;
  }
  if (interned.size() >= interned_prune_at) {
    std::erase_if(interned, [](const auto& entry) { return entry.second.expired(); });
    interned_prune_at = 2 * interned.size() + 64;
  }
  auto fresh = std::make_shared<const std::string>(encoded);
  interned.insert_or_assign(*fresh, fresh);
  return fresh;
}

ObjectState Impl::Peek(const ObjectId& id) const {
  if (const auto it = owned.find(id); it != owned.end()) return it->second.state;
  if (const auto it = borrowed.find(id); it != borrowed.end()) return it->second.state;
  return Pending{};
}

WatchId Impl::Watch(const ObjectId& id,
                    std::function<void(const ObjectId&, const ObjectState&)> done) {
  const WatchId watch = ++last_watch;
  watches.emplace(watch, Waiting{id, std::move(done)});
  if (const auto it = owned.find(id); it != owned.end()) {
    Owned& entry = it->second;
    if (entry.released) {  // its value was freed and is wanted again: make it again
      entry.released = false;
      entry.state = Pending{};
      deps.loop.Post(alive.Bind([this, id] { hooks.on_lost(id); }));
    }
    entry.watches.push_back(watch);
    if (!std::holds_alternative<Pending>(entry.state)) Wake(std::exchange(entry.watches, {}));
    return watch;
  }
  const auto it = borrowed.find(id);
  Check(it != borrowed.end(), "only a held object is watched");
  it->second.watches.push_back(watch);
  if (!std::holds_alternative<Pending>(it->second.state)) {
    Wake(std::exchange(it->second.watches, {}));
  } else {
    AskOwner(id, it->second);
  }
  return watch;
}

void Impl::Unwatch(WatchId watch) { watches.erase(watch); }

void Impl::Wake(std::vector<WatchId> ids) {
  if (ids.empty()) return;
  deps.loop.Post(alive.Bind([this, ids = std::move(ids)] { RunWatches(ids); }));
}

void Impl::RunWatches(const std::vector<WatchId>& ids) {
  for (const WatchId id : ids) {
    const auto it = watches.find(id);
    if (it == watches.end()) continue;
    const ObjectId object = it->second.id;
    const ObjectState state = Peek(object);
    if (std::holds_alternative<Pending>(state)) {  // lost again meanwhile: keep waiting
      if (const auto entry = owned.find(object); entry != owned.end()) {
        entry->second.watches.push_back(id);
      } else if (const auto borrow = borrowed.find(object); borrow != borrowed.end()) {
        borrow->second.watches.push_back(id);
        AskOwner(object, borrow->second);
      }
      continue;
    }
    const auto done = std::move(it->second.done);
    watches.erase(it);
    done(object, state);
  }
}

void Impl::Stop() {
  {
    const std::lock_guard lock(release_mutex);
    stopped = true;
    released.clear();
  }
  alive.End();
  watches.clear();
  after.clear();
  borrowers.clear();
  links.clear();
  owned.clear();
  borrowed.clear();
}

ReferenceTable::ReferenceTable(Deps deps, Config config, Hooks hooks)
    : impl_(std::make_shared<Impl>(deps, config, std::move(hooks))) {}
ReferenceTable::~ReferenceTable() { impl_->Stop(); }

void ReferenceTable::SetSelf(const Address& self) {
  impl_->self = self;
  impl_->self_encoded = std::make_shared<const std::string>(self.SerializeAsString());
}
const OwnerPtr& ReferenceTable::self() const { return impl_->self_encoded; }

void ReferenceTable::AddOwned(const ObjectId& id) { impl_->AddOwned(id); }
void ReferenceTable::SetState(const ObjectId& id, ObjectState state,
                              std::vector<internal::ReferencePtr> contained) {
  impl_->SetState(id, std::move(state), std::move(contained));
}
void ReferenceTable::SetIfPending(const ObjectId& id, ObjectState state,
                                  std::vector<internal::ReferencePtr> contained) {
  impl_->SetIfPending(id, std::move(state), std::move(contained));
}
void ReferenceTable::SetPending(const ObjectId& id) { impl_->SetPending(id); }
void ReferenceTable::AddCopy(const ObjectId& id, const NodeId& node, std::string raylet_endpoint) {
  impl_->AddCopy(id, node, std::move(raylet_endpoint));
}
void ReferenceTable::RemoveCopies(const ObjectId& id, std::span<const std::string> endpoints) {
  impl_->RemoveCopies(id, [endpoints](const NodeId&, const std::string& endpoint) {
    return std::ranges::find(endpoints, endpoint) != endpoints.end();
  });
}
void ReferenceTable::DropNode(const NodeId& node) { impl_->DropNode(node); }
void ReferenceTable::AddLineage(const ObjectId& id) { impl_->AddLineage(id); }
void ReferenceTable::RemoveLineage(const ObjectId& id) { impl_->RemoveLineage(id); }
bool ReferenceTable::IsOwned(const ObjectId& id) const { return impl_->owned.contains(id); }
bool ReferenceTable::IsKnown(const ObjectId& id) const {
  return impl_->owned.contains(id) || impl_->borrowed.contains(id);
}
std::size_t ReferenceTable::LentCount() const { return impl_->LentCount(); }
internal::ReferencePtr ReferenceTable::Hold(const ObjectId& id, OwnerPtr owner) {
  return impl_->Hold(id, std::move(owner));
}
OwnerPtr ReferenceTable::Intern(std::string_view encoded) { return impl_->Intern(encoded); }
ObjectState ReferenceTable::Peek(const ObjectId& id) const { return impl_->Peek(id); }
WatchId ReferenceTable::Watch(const ObjectId& id,
                              std::function<void(const ObjectId&, const ObjectState&)> done) {
  return impl_->Watch(id, std::move(done));
}
void ReferenceTable::Unwatch(WatchId watch) { impl_->Unwatch(watch); }
void ReferenceTable::ReportMissing(const ObjectId& id, std::vector<std::string> endpoints) {
  impl_->ReportMissing(id, std::move(endpoints));
}
void ReferenceTable::ReportCopy(const ObjectId& id, const NodeId& node,
                                const std::string& raylet_endpoint) {
  impl_->ReportCopy(id, node, raylet_endpoint);
}
void ReferenceTable::AfterBorrowsAcknowledged(std::move_only_function<void()> next) {
  impl_->AfterBorrowsAcknowledged(std::move(next));
}

void ReferenceTable::AddHandlers(rpc::ServiceTable& services) {
  const auto bind = [this](auto handler) { return impl_->alive.Bind(std::move(handler)); };
  Impl* impl = impl_.get();
  services.Hear(kWatch,
                bind([impl](auto& request, auto& peer) { impl->HandleWatch(request, &peer); }));
  services.Hear(kStatus, bind([impl](auto& request, auto&) { impl->HandleStatus(request); }));
  services.Hear(kReportCopies,
                bind([impl](auto& request, auto&) { impl->HandleReportCopies(request); }));
  services.Handle(kAddBorrows, bind([impl](auto& request, rpc::CallContext call, auto respond) {
                    respond(impl->HandleAddBorrows(request, call.peer));
                  }));
  services.Handle(kRemoveBorrows, bind([impl](auto& request, rpc::CallContext, auto respond) {
                    impl->HandleRemoveBorrows(request);
                    respond(NoReply());
                  }));
}

void ReferenceTable::OnPeerClosed(rpc::Peer& peer) { impl_->OnPeerClosed(&peer); }
void ReferenceTable::Stop() { impl_->Stop(); }

ReferenceTable::Census ReferenceTable::Count() const {
  Census census{.owned = impl_->owned.size(),
                .borrowed = impl_->borrowed.size(),
                .watches = impl_->watches.size(),
                .inline_bytes = 0};
  for (const auto& [id, entry] : impl_->owned) {
    if (const auto* value = std::get_if<Payload>(&entry.state))
      census.inline_bytes += value->size();
  }
  return census;
}

void ReferenceTable::CheckInvariants() const {
  for (const auto& [id, entry] : impl_->owned) {
    Check(!entry.released || entry.holds == 0, "a freed value has no holder");
    Check(!entry.released || entry.lineage > 0, "a freed value is remembered for lineage only");
    for (const WorkerId& borrower : entry.borrowers) {
      const auto it = impl_->borrowers.find(borrower);
      Check(it != impl_->borrowers.end() && it->second.ids.contains(id),
            "every borrow is known from both sides");
    }
  }
  for (const auto& [id, entry] : impl_->borrowed) {
    Check(entry.holds > 0 || entry.is_releasing, "a borrow without a hold is being released");
  }
}

}  // namespace mobula::core_worker
