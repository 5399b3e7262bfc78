/// \file
/// \brief Pins that live as long as a payload, and their releases in batches.
///
/// The user may drop a view of a pinned object on any thread, also when its client and even the
/// loop are gone. So a payload carries a token. When its last copy is destroyed, the token writes
/// its id to a list that it shares with the client, and the loop hands all ids of one turn to the
/// client in one call.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/ids.h"

namespace mobula::object_store {

/// Threads: `MakePin` and the destruction of pins: any. `Stop` and the callback: the state lock.
/// (One of the few places with a lock of its own: its edge is the user's threads.)
class BatchedReleases : public std::enable_shared_from_this<BatchedReleases> {
 public:
  using Released = std::move_only_function<void(std::vector<ObjectId>)>;
  /// `released` runs on the loop with the ids whose pins were dropped, each as often as it was.
  BatchedReleases(EventLoop& loop, Released released)
      : loop_(&loop), released_(std::move(released)) {}

  /// \return a token; when its last copy goes, `id` is released. It also keeps `memory` alive.
  [[nodiscard]] std::shared_ptr<const void> MakePin(const ObjectId& id,
                                                    std::shared_ptr<const void> memory);
  /// From now on dropped pins release nothing. To be called before loop or owner go away.
  void Stop();

 private:
  struct Pin;
  void Add(const ObjectId& id);
  void Flush();

  std::mutex mutex_;  // guards all below but released_
  EventLoop* loop_;   // null after Stop
  std::vector<ObjectId> dropped_;
  Released released_;
};

}  // namespace mobula::object_store
