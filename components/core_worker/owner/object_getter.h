/// \file
/// \edge
/// \brief From a reference to its bytes: ask what is known, pull, and ask again if it was wrong.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "components/base/lifetime.h"
#include "components/core_worker/owner/references.h"
#include "components/object_store/store_client.h"

namespace mobula::core_worker {

/// Gets values of owned and borrowed objects to this node.
///
/// Where an object is known to be may be stale; a copy that is not there is reported to the owner,
/// who names another one or makes the object again. Threads: the state lock.
class ObjectGetter {
 public:
  /// \param references outlives it.
  explicit ObjectGetter(ReferenceTable& references) : references_(references) {}

  /// \param store outlives it. \param node, raylet_endpoint: ours, told to owners of what we pull.
  void Start(object_store::StoreClient& store, const NodeId& node, std::string raylet_endpoint);

  /// Calls back once, never inside this call: the value, pinned, or the error the object ended in;
  /// kObjectLost if its copies are not where they should be, `kTriesMax` times.
  WatchId Get(internal::ReferencePtr reference,
              std::move_only_function<void(Result<Payload>)> done);
  /// Unknown ids are fine.
  void Cancel(WatchId get);
  [[nodiscard]] std::size_t size() const { return running_.size(); }
  void Stop();

 private:
  static constexpr int kTriesMax = 10;
  struct Running {
    internal::ReferencePtr reference;
    std::move_only_function<void(Result<Payload>)> done;
    WatchId watch = 0;
    int tries = 0;
  };
  void Ask(WatchId get);
  void OnState(WatchId get, const ObjectState& state);
  void OnPulled(WatchId get, const InStore& asked, Result<Payload> value);
  void Finish(WatchId get, Result<Payload> value);

  ReferenceTable& references_;
  object_store::StoreClient* store_ = nullptr;
  NodeId node_;
  std::string raylet_endpoint_;
  std::map<WatchId, Running> running_;
  WatchId last_get_ = 0;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
