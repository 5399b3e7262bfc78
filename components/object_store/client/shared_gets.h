/// \file
/// \edge
/// \brief One fetch and one pin for each object and process, also when many callers want it.
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

/// Remembers the views in use and the callers that wait for one. Threads: the state lock.
class SharedGets {
 public:
  explicit SharedGets(EventLoop& loop) : loop_(loop) {}
  /// If a view of the object is still in use, answers soon with a share of it; else `done` waits
  /// for `Finish`. \return true for the first caller that waits: it has to fetch the object.
  [[nodiscard]] bool Join(const ObjectId& id, Done<Payload> done);
  /// Answers every waiting caller, and remembers the view for as long as one of them holds it.
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
