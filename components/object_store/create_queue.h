/// \file
/// \brief The queue of objects that wait for room in a full store.
///
/// Writers of this node and pulls from other nodes wait in one queue, first come first served, so
/// that many small objects cannot starve a large one. The queue moves whenever the store says that
/// something changed. Bounds: `create_wait_max` for each wait, `creates_waiting_max` for the length
/// of the queue; at either bound the answer is kStoreFull with the store's numbers.
#pragma once

#include <list>

#include "components/base/config_value.h"
#include "components/base/event_loop.h"
#include "components/base/lifetime.h"
#include "components/object_store/object_store.h"

namespace mobula::object_store {

struct CreateQueueOptions {
  Duration create_wait_max = std::chrono::seconds(10);
  std::size_t creates_waiting_max = 10'000;
};
/// Reads `create_wait_max` and `creates_waiting_max` of the `object_store:` map.
[[nodiscard]] CreateQueueOptions ReadCreateQueueOptions(ConfigReader& reader);

/// Threads: the state lock. Lifetime: the store outlives it; takes the store's `OnChange`.
class CreateQueue {
 public:
  CreateQueue(EventLoop& loop, ObjectStore& store, CreateQueueOptions options);
  ~CreateQueue();

  /// What to create, and for whom.
  struct Request {
    ObjectId id;
    std::uint64_t size_bytes = 0;
    CopyKind kind = CopyKind::kPrimary;
    StoreClientId client = kRaylet;
  };
  /// Creates now or when there is room. `done` may run inside this call. Errors: kAlreadyExists at
  /// once if a sealed copy is here, and after the wait if another writer is still at it;
  /// kStoreFull at once if it can never fit, else after the wait.
  void Create(const Request& request, Done<StoredObject> done);
  /// A client is gone: its requests leave the queue without an answer.
  void DropClient(StoreClientId client);
  /// Fails every waiting request with kCancelled.
  void Stop();
  [[nodiscard]] std::size_t size() const { return waiting_.size(); }

 private:
  struct Waiting {
    Request request;
    TimePoint until;
    Done<StoredObject> done;
    Error reason;  ///< Why it did not work the last time.
  };
  enum class Outcome : std::uint8_t { kDone, kWaitForRoom, kWaitForWriter };

  Outcome Try(const Request& request, Result<StoredObject>& result);
  void StoreChanged();
  void Retry();
  void Expire();
  void ArmTimer();

  EventLoop& loop_;
  ObjectStore& store_;
  const CreateQueueOptions options_;
  std::list<Waiting> waiting_;  // all wait equally long: also in order of `until`
  bool retry_posted_ = false;
  bool stopped_ = false;
  Timer timer_;
  Lifetime alive_;
};

}  // namespace mobula::object_store
