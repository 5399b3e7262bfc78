/// \file
/// \brief What the worker's side remembers of owners, their leases and their tasks.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "components/base/event_loop.h"
#include "components/core_worker/task_codec.h"
#include "components/core_worker/task_executor.h"
#include "components/core_worker/task_output.h"
#include "components/protocol/worker.pb.h"
#include "components/transport/rpc/peer.h"

namespace mobula::core_worker {

/// The connection of an owner that leases us. Owners: execution, and the leases it pushes under.
struct OwnerLink {
  explicit OwnerLink(rpc::Peer* connected) : peer(connected) {}
  rpc::Peer* peer;  ///< Null once it is closed.
};

/// A lease under which an owner pushes tasks to us.
struct ServedLease {
  LeaseId id;
  std::shared_ptr<OwnerLink> link;
  protocol::Address owner;
  std::array<TaskConstantsPtr, kConstantsSlots> constants;  ///< As of the last task that arrived.
  protocol::TasksDoneRequest outbox;
  std::size_t outbox_tasks = 0;
  std::size_t outbox_bytes = 0;
};
/// Owners: the worker's table of leases, tasks pushed under it, results on their way.
using ServedLeasePtr = std::shared_ptr<ServedLease>;

/// Which attempt of which task, and where its results go.
struct PushedTask {
  ServedLeasePtr lease;
  TaskId id;
  std::uint32_t attempt = 0;
  TaskConstantsPtr constants;
};

/// A task while it runs. One stays in its lane's place, so its address is its handle.
struct RunningTask {
  PushedTask task;  ///< Without a lease: the lane is free.
  TaskContext context;
  TimePoint started{};
  int waits = 0;                    ///< How deep its calls of `SetBlocked` are nested.
  std::vector<TaskOutput> outputs;  ///< Results that came before the last one.
};

}  // namespace mobula::core_worker
