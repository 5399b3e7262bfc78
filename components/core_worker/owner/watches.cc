// \edge: takes messages apart and calls what the chapter explains
#include "components/core_worker/owner/watches.h"

namespace mobula::core_worker {

WatchId Watches::Add(const ObjectId& id, OnState done) {
  const WatchId watch = ++last_;
  waiting_.emplace(watch, Waiting{id, std::move(done)});
  // If the object is known already, this wakes the watch; if not, the object keeps its number.
  objects_.add_to(id, watch);
  return watch;
}

// Never inside the call that changes the object: a callback may change objects and tasks itself.
void Watches::Wake(std::vector<WatchId> watches) {
  if (watches.empty()) return;
  loop_.Post(alive_.Bind([this, watches = std::move(watches)] { Run(watches); }));
}

void Watches::Run(const std::vector<WatchId>& watches) {
  for (const WatchId watch : watches) {
    const auto it = waiting_.find(watch);
    if (it == waiting_.end()) continue;  // taken away by one that ran before
    const ObjectId id = it->second.id;
    const ObjectState state = objects_.state_of(id);
    if (std::holds_alternative<Pending>(state)) {
      // Its last copy was lost between the wake-up and now. It is being made again: wait for that.
      objects_.add_to(id, watch);
      continue;
    }
    // Each watch calls back once. It ends before the call, which may watch the same object again.
    const auto done = std::move(it->second.done);
    waiting_.erase(it);
    done(id, state);
  }
}

void Watches::Stop() {
  alive_.End();
  waiting_.clear();
}

}  // namespace mobula::core_worker
