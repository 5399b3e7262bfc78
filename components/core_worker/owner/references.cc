#include "components/core_worker/owner/references.h"

#include "components/base/check.h"

namespace mobula::core_worker {

ReferenceTable::ReferenceTable(Deps deps, Config config, OwnedObjects::Hooks hooks)
    : loop_(deps.loop),
      dropped_(std::make_shared<DroppedHolds>(
          [this] { loop_.Defer(alive_.Bind([this] { CountDropped(); })); })),
      watches_(deps.loop,
               {.state_of = [this](const ObjectId& id) { return Peek(id); },
                .add_to = [this](const ObjectId& id, WatchId watch) { AddWatch(id, watch); }}),
      owned_({deps.loop, deps.peers, deps.log, watches_, dropped_->owned},
             {.borrower_grace = config.borrower_grace, .batch_ids_max = config.batch_ids_max},
             std::move(hooks)),
      links_({deps.loop, deps.peers, deps.raylet},
             {.owner_away_max = config.owner_away_max, .batch_ids_max = config.batch_ids_max},
             {.is_wanted = [this](const ObjectId& id) { return borrowed_.IsAsked(id); },
              .on_owner_lost = [this](const ObjectId& id,
                                      const Error& why) { borrowed_.SetState(id, why); }}),
      borrowed_(links_, watches_) {}

ReferenceTable::~ReferenceTable() { Stop(); }

void ReferenceTable::SetSelf(const protocol::Address& self) {
  links_.SetSelf(self);
  // One `Owner` for all objects of this process, so that one pointer tells them from borrowed ones.
  self_owner_ = NewOwner(self.SerializeAsString(), DroppedHolds::Side::kOwned);
}

// ---- holds ----

OwnerPtr ReferenceTable::NewOwner(std::string_view encoded, DroppedHolds::Side side) {
  // A reference may be dropped on any thread, and even after this table has ended. So it only goes
  // into a list, which the table counts on its own loop.
  const auto released = [dropped = dropped_, side](internal::Reference& reference) {
    dropped->Add(reference, side);
  };
  return new internal::Owner(std::string(encoded), released);
}

OwnerPtr ReferenceTable::Intern(std::string_view encoded) {
  if (const auto it = interned_.find(encoded); it != interned_.end()) return it->second;
  // Addresses that no reference uses any more are looked for when there are twice as many as were
  // in use the last time: a program that meets ever new processes does not collect them.
  if (interned_.size() >= interned_prune_at_) {
    std::erase_if(interned_, [](const auto& entry) { return entry.second->use_count() == 1; });
    interned_prune_at_ = 2 * interned_.size() + 64;
  }
  const OwnerPtr owner = NewOwner(encoded, DroppedHolds::Side::kBorrowed);
  return interned_.emplace(encoded, owner).first->second;
}

internal::ReferencePtr ReferenceTable::NewOwned(const ObjectId& id, ObjectState state,
                                                std::vector<internal::ReferencePtr> contained) {
  return owned_.New(id, self_owner_, std::move(state), std::move(contained));
}

internal::ReferencePtr ReferenceTable::Hold(const ObjectId& id, const OwnerPtr& owner) {
  // A reference to an object of ours may come back to us from elsewhere, with our own address.
  if (OwnedObject* object = owned_.Find(id)) return owned_.Hold(*object);
  // It belongs to another process. The first hold tells its owner that we borrow it.
  borrowed_.Hold(id, owner);
  return new internal::Reference(id, owner);
}

void ReferenceTable::CountDropped() {
  for (const internal::Reference* reference : dropped_->TakeAll()) {
    // A reference with us as its owner is the object itself, in the table's own memory.
    if (reference->owner == self_owner_) {
      owned_.Drop(*OwnedObject::Of(*reference));
      continue;
    }
    // A reference to another's object is only a note of a hold: the hold ends and the note goes.
    borrowed_.Drop(reference->id);
    delete reference;
  }
}

// ---- states ----

bool ReferenceTable::IsKnown(const ObjectId& id) const {
  return owned_.Has(id) || borrowed_.Has(id);
}

ObjectState ReferenceTable::Peek(const ObjectId& id) const {
  if (const OwnedObject* object = owned_.Find(id)) return object->State();
  return borrowed_.Peek(id);
}

std::optional<ObjectState> ReferenceTable::PeekOrAwait(const internal::Reference& reference,
                                                       WaitSet& waits, std::size_t index) {
  // A reference whose owner we are is the object itself: no search. A stopped table owns nothing,
  // though references of it may still be about.
  const bool is_owned = reference.owner == self_owner_ && owned_.size() > 0;
  if (auto* object = is_owned ? OwnedObject::Of(reference) : owned_.Find(reference.id)) {
    if (!object->IsPending()) return object->State();
    object->Waiting().Add(waits, index);
    return std::nullopt;
  }
  return borrowed_.PeekOrAwait(reference.id, waits, index);
}

WatchId ReferenceTable::Watch(const ObjectId& id, Watches::OnState done) {
  Check(IsKnown(id), "only a held object is watched");
  return watches_.Add(id, std::move(done));
}

void ReferenceTable::AddWatch(const ObjectId& id, WatchId watch) {
  if (OwnedObject* object = owned_.Find(id)) {
    owned_.AddWatch(*object, watch);
  } else {
    borrowed_.AddWatch(id, watch);
  }
}

void ReferenceTable::Want(const ObjectId& id) {
  if (OwnedObject* object = owned_.Find(id)) {
    owned_.Want(*object);
  } else {
    borrowed_.Ask(id);
  }
}

// ---- copies ----

// Where an object of ours lies is in our own books. Of another's the owner keeps the books: only it
// can name another copy, or make the object again.
void ReferenceTable::ReportMissing(const ObjectId& id, std::vector<std::string> endpoints) {
  if (owned_.Has(id)) {
    owned_.DoubtCopies(id, endpoints);
  } else {
    borrowed_.ReportMissing(id, std::move(endpoints));
  }
}

void ReferenceTable::ReportCopy(const ObjectId& id, const NodeId& node,
                                const std::string& endpoint) {
  if (owned_.Has(id)) {
    owned_.AddCopy(id, node, endpoint);
  } else {
    borrowed_.ReportCopy(id, node, endpoint);
  }
}

void ReferenceTable::DropNode(const NodeId& node, std::string_view reason) {
  // First our own objects: an owner that died with the node makes its objects errors for us, which
  // must not be taken for lost copies.
  owned_.DropNode(node);
  borrowed_.DropNode(node);
  links_.DropNode(node, reason);
}

void ReferenceTable::AfterBorrowsAcknowledged(std::move_only_function<void()> next) {
  links_.AfterAcknowledged(std::move(next));
}

// ---- plumbing ----

void ReferenceTable::AddHandlers(rpc::ServiceTable& services) {
  owned_.AddHandlers(services);
  borrowed_.AddHandlers(services);
}

void ReferenceTable::Stop() {
  alive_.End();
  for (const internal::Reference* one : dropped_->Close()) {
    if (one->owner == self_owner_) {
      --OwnedObject::Of(*one)->holds;  // and `owned_` forgets it below if that was the last
    } else {
      delete one;
    }
  }
  // Callbacks first: nothing that ends below may call into parts that have ended.
  watches_.Stop();
  links_.Stop();
  borrowed_.Stop();
  owned_.Stop();
}

ReferenceTable::Census ReferenceTable::Count() const {
  return {.owned = owned_.size(),
          .borrowed = borrowed_.size(),
          .watches = watches_.size(),
          .inline_bytes = owned_.InlineBytes()};
}

void ReferenceTable::CheckInvariants() const {
  owned_.CheckInvariants();
  borrowed_.CheckInvariants();
}

}  // namespace mobula::core_worker
