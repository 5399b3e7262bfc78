#include "components/object_store/client/shared_gets.h"

namespace mobula::object_store {

bool SharedGets::Join(const ObjectId& id, Done<Payload> done) {
  // A view is in use in this process: its pin is good for one more reader. The answer comes in a
  // later turn, as it would from the raylet.
  const auto it = views_.find(id);
  if (auto keep = it == views_.end() ? nullptr : it->second.keep.lock()) {
    loop_.Post(alive_.Bind([view = Payload(std::move(keep), it->second.bytes),
                            done = std::move(done)]() mutable { done(std::move(view)); }));
    return false;
  }
  auto& all = waiting_[id];
  all.push_back(std::move(done));
  return all.size() == 1;
}

void SharedGets::Finish(const ObjectId& id, const Result<Payload>& view) {
  auto waiting = waiting_.extract(id);
  if (view) views_[id] = {view->keep(), view->bytes()};
  if (waiting.empty()) return;
  for (Done<Payload>& done : waiting.mapped()) done(view);
}

void SharedGets::Forget(const ObjectId& id) {
  // A new view of the object may have been made since the last one was dropped.
  const auto it = views_.find(id);
  if (it != views_.end() && it->second.keep.expired()) views_.erase(it);
}

}  // namespace mobula::object_store
