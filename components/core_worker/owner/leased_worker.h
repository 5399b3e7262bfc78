/// \file
/// \brief One leased worker as its owner sees it, and the tasks that may use it.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "components/base/resources.h"
#include "components/core_worker/owner/attempt_observer.h"
#include "components/core_worker/owner/submitted_task.h"
#include "components/core_worker/task_codec.h"
#include "components/protocol/common.pb.h"
#include "components/transport/rpc/client_pool.h"
#include "mobula/scheduling_strategy.h"

namespace mobula::core_worker {

/// What a lease is asked for. Tasks of one key may run on each other's workers.
struct SchedulingKey {
  ResourceSet resources;
  SchedulingStrategy strategy;
  std::uint32_t depth = 0;

  /// \return all of the above, for comparing and ordering.
  [[nodiscard]] std::string Text() const;
};

struct LeasedWorker;

/// All tasks and workers of one scheduling key.
struct SchedulingGroup {
  SchedulingKey key;
  std::deque<SubmittedTask*> ready;    ///< Queued here, in the order they are to run.
  std::vector<LeasedWorker*> workers;  ///< By age of their leases.
  std::set<LeaseId> requests;          ///< For more of them; see lease_requests.h.
  std::optional<Duration> task_time;   ///< Moving average of recent task durations.
  bool is_dirty = false;               ///< Will be looked at in this turn of the loop.
};

/// A worker that is ours for a while. (The worker's view of the same lease is `ServedLease`.)
struct LeasedWorker {
  LeaseId lease_id;
  SchedulingGroup* group = nullptr;
  protocol::Address address;
  WorkerPlace place;
  std::shared_ptr<rpc::Client> client;    ///< Owners: the pool of peers and this.
  std::deque<SubmittedTask*> in_flight;   ///< In the order pushed, which is that of running.
  std::vector<SubmittedTask*> withdrawn;  ///< Of `in_flight`: not wanted if they have not begun.
  std::string outbox;                     ///< The last of `in_flight`, encoded, not sent yet.
  /// By slot of task_codec.h: the kind whose constants the worker has there.
  std::array<std::uint64_t, kConstantsSlots> kinds_sent{};
  bool is_open = false;            ///< Pushes may be sent.
  bool is_used = false;            ///< Has been given a task.
  bool is_wanted_if_idle = false;  ///< We ourselves wait for its resources: returned when idle.
  bool is_reclaimed = false;       ///< Others have waited long: gets one task at least, then none.
  bool is_stalled = false;         ///< One task at a time until one has finished.
  bool is_taking_back = false;     ///< Was asked for unstarted tasks and has not answered.
  TimePoint progress{};            ///< When it last answered or became busy; when idle: since when.
};

}  // namespace mobula::core_worker
