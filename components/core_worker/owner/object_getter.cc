#include "components/core_worker/owner/object_getter.h"

#include <ranges>

namespace mobula::core_worker {

void ObjectGetter::Start(object_store::StoreClient& store, const NodeId& node,
                         std::string raylet_endpoint) {
  store_ = &store;
  node_ = node;
  raylet_endpoint_ = std::move(raylet_endpoint);
}

WatchId ObjectGetter::Get(internal::ReferencePtr reference,
                          std::move_only_function<void(Result<Payload>)> done) {
  const WatchId get = ++last_get_;
  running_.emplace(get, Running{std::move(reference), std::move(done)});
  Ask(get);
  return get;
}

void ObjectGetter::Cancel(WatchId get) {
  const auto it = running_.find(get);
  if (it == running_.end()) return;
  // A pull that is under way goes on, as others may wait for the same object. It finds no entry
  // here.
  references_.Unwatch(it->second.watch);
  running_.erase(it);
}

// Whatever is known of the object, or will be, comes to `OnState`.
void ObjectGetter::Ask(WatchId get) {
  Running& running = running_.at(get);
  running.watch = references_.Watch(
      running.reference->id,
      alive_.Bind([this, get](const ObjectId&, const ObjectState& state) { OnState(get, state); }));
}

void ObjectGetter::OnState(WatchId get, const ObjectState& state) {
  const auto it = running_.find(get);
  if (it == running_.end()) return;
  if (const auto* value = std::get_if<Payload>(&state)) {
    // A small value came with the answer of its owner: there is nothing to pull.
    Finish(get, *value);
  } else if (const auto* error = std::get_if<Error>(&state)) {
    // The object has ended in an error, and this is all that there will ever be to get.
    Finish(get, Fail(*error));
  } else {
    // A large value: the store has it here, or pulls it from one of the nodes that the owner names.
    const auto& stored = std::get<InStore>(state);
    object_store::ObjectHint hint;
    for (const auto& [node, endpoint] : stored.copies) hint.raylet_endpoints.push_back(endpoint);
    hint.owner = it->second.reference->owner->address;
    store_->Get(it->second.reference->id, hint,
                alive_.Bind([this, get, stored](Result<Payload> value) {
                  OnPulled(get, stored, std::move(value));
                }));
  }
}

void ObjectGetter::OnPulled(WatchId get, const InStore& asked, Result<Payload> value) {
  const auto it = running_.find(get);
  if (it == running_.end()) return;
  const ObjectId id = it->second.reference->id;
  if (value) {
    // Our node has a copy now, which nobody else knows of: its owner frees it one day.
    if (!asked.copies.contains(node_)) references_.ReportCopy(id, node_, raylet_endpoint_);
    Finish(get, std::move(value));
  } else if (value.error().code() != ErrorCode::kNotFound) {
    // The copies are well, but this node cannot have one: no room, or the store is gone.
    Finish(get, std::move(value));
  } else if (++it->second.tries == kTriesMax) {
    // Nodes die faster than the object is made again. An error is better than a `Get` that hangs.
    Finish(get,
           Fail(ErrorCode::kObjectLost, "object {}: {} times no copy was where its owner said: {}",
                id.Hex(), kTriesMax, value.error().message()));
  } else {
    // No copy was where the owner said. Tell it so; it names other copies or makes the object
    // again.
    const auto endpoints = std::views::values(asked.copies);
    references_.ReportMissing(id, {endpoints.begin(), endpoints.end()});
    Ask(get);
  }
}

void ObjectGetter::Finish(WatchId get, Result<Payload> value) {
  auto running = running_.extract(get);
  running.mapped().done(std::move(value));
}

void ObjectGetter::Stop() {
  alive_.End();
  running_.clear();
}

}  // namespace mobula::core_worker
