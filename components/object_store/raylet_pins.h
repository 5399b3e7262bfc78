/// \file
/// \edge
/// \brief Views of objects for the raylet itself: what it sends stays pinned until it is sent.
#pragma once

#include <memory>
#include <optional>

#include "components/base/payload.h"
#include "components/object_store/batched_releases.h"
#include "components/object_store/object_store.h"

namespace mobula::object_store {

/// Pins that belong to the raylet and not to the client that asked: a client may die while bytes
/// are being sent to it, and even then the memory must not be used for another object.
/// Threads: the state lock; the payloads may be dropped by any thread, also after this is gone.
class RayletPins {
 public:
  RayletPins(EventLoop& loop, ObjectStore& store)
      : store_(store),
        queue_(std::make_shared<BatchedReleases>(loop,
                                                 [&store](const std::vector<ObjectId>& released) {
                                                   for (const ObjectId& id : released)
                                                     store.Release(id, kRaylet);
                                                 })) {}
  ~RayletPins() { queue_->Stop(); }
  RayletPins(const RayletPins&) = delete;
  RayletPins& operator=(const RayletPins&) = delete;

  /// \return a view of a sealed object, pinned while anyone holds it; nullopt if it is not here.
  [[nodiscard]] std::optional<Payload> Read(const ObjectId& id) {
    const auto object = store_.Get(id, kRaylet);
    if (!object) return std::nullopt;
    return Payload(queue_->MakePin(id, nullptr), object->bytes);
  }

 private:
  ObjectStore& store_;
  std::shared_ptr<BatchedReleases> queue_;  // owners: this and the payloads handed out
};

}  // namespace mobula::object_store
