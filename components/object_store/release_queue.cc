#include "components/object_store/release_queue.h"

namespace mobula::object_store {

struct ReleaseQueue::Pin {
  ObjectId id;
  std::shared_ptr<ReleaseQueue> queue;
  std::shared_ptr<const void> memory;

  Pin(const ObjectId& object, std::shared_ptr<ReleaseQueue> to, std::shared_ptr<const void> kept)
      : id(object), queue(std::move(to)), memory(std::move(kept)) {}
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;
  ~Pin() { queue->Add(id); }
};

std::shared_ptr<const void> ReleaseQueue::MakePin(const ObjectId& id,
                                                  std::shared_ptr<const void> memory) {
  return std::make_shared<Pin>(id, shared_from_this(), std::move(memory));
}

void ReleaseQueue::Add(const ObjectId& id) {
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  dropped_.push_back(id);
  if (dropped_.size() == 1) loop_->Post([self = shared_from_this()] { self->Flush(); });
}

void ReleaseQueue::Flush() {
  std::vector<ObjectId> dropped;
  {
    const std::lock_guard lock(mutex_);
    if (loop_ == nullptr) return;
    dropped.swap(dropped_);
  }
  released_(std::move(dropped));
}

void ReleaseQueue::Stop() {
  const std::lock_guard lock(mutex_);
  loop_ = nullptr;
  dropped_.clear();
}

}  // namespace mobula::object_store
