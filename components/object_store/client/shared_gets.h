/// \file
/// \brief One fetch and one pin per object and process, however many ask for it.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/ids.h"
#include "components/base/lifetime.h"
#include "components/base/payload.h"
#include "components/base/result.h"

namespace mobula::object_store {

/// Remembers the views that are in use and who waits for one. Threads: the state lock.
class SharedGets {
 public:
  explicit SharedGets(EventLoop& loop) : loop_(loop) {}
  /// Answers soon with a share of a view that somebody still holds; waits for `Finish` if nobody
  /// does. \return true for the first who waits: it has to fetch.
  [[nodiscard]] bool Join(const ObjectId& id, Done<Payload> done);
  /// Answers all who wait, and remembers the view for as long as one of them holds it.
  void Finish(const ObjectId& id, const Result<Payload>& view);
  /// To be called when the last share of a view is gone.
  void Forget(const ObjectId& id);

 private:
  EventLoop& loop_;
  struct View {
    std::weak_ptr<const void> keep;
    std::span<const std::byte> bytes;
  };
  std::unordered_map<ObjectId, View> views_;  // never walked
  std::unordered_map<ObjectId, std::vector<Done<Payload>>> waiting_;
  Lifetime alive_;
};

}  // namespace mobula::object_store
