#include "components/object_store/batched_releases.h"

namespace mobula::object_store {

struct BatchedReleases::Pin {
  ObjectId id;
  std::shared_ptr<BatchedReleases> queue;
  std::shared_ptr<const void> memory;

  Pin(const ObjectId& object, std::shared_ptr<BatchedReleases> to, std::shared_ptr<const void> kept)
      : id(object), queue(std::move(to)), memory(std::move(kept)) {}
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin() { queue->Add(id); }
};

std::shared_ptr<const void> BatchedReleases::MakePin(const ObjectId& id,
                                                     std::shared_ptr<const void> memory) {
  // The last copy of the payload destroys this token, on whatever thread that is.
  return std::make_shared<Pin>(id, shared_from_this(), std::move(memory));
}

void BatchedReleases::Add(const ObjectId& id) {
  const std::lock_guard lock(mutex_);
  // On any thread. After `Stop` the raylet has dropped all pins of this process by itself.
  if (loop_ == nullptr) return;
  dropped_.push_back(id);
  // The first id of a batch wakes the loop; the others of this turn go with it.
  if (dropped_.size() == 1) loop_->Post([self = shared_from_this()] { self->Flush(); });
}

void BatchedReleases::Flush() {
  std::vector<ObjectId> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (loop_ == nullptr) return;
    dropped.swap(dropped_);
  }
  // Outside of the lock: the callback may destroy payloads, and so come back to `Add`.
  released_(std::move(dropped));
}

void BatchedReleases::Stop() {
  const std::lock_guard lock(mutex_);
  // Payloads may live longer than the connection to the raylet. Their ends are no news any more.
  loop_ = nullptr;
  dropped_.clear();
}

}  // namespace mobula::object_store
