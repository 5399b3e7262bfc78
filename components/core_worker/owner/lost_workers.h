/// \file
/// \edge
/// \brief What to do about the tasks of a leased worker that cannot be reached any more.
///
///     Add ──EndLostWorker──► its raylet has made sure that it is dead, and tells how it ended
///           ──FreeObjects──► what the attempts stored is deleted
///           ──OnLost───────► for each task, oldest first: the only one that is charged a retry
///
/// A lost connection alone does not prove that the worker is dead. Until it is, its tasks run on,
/// and a second attempt beside a first could do harm; so nothing is retried before the raylet has
/// answered, or its node is declared dead.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "components/base/event_log.h"
#include "components/base/lifetime.h"
#include "components/core_worker/owner/leased_worker.h"
#include "components/core_worker/owner/raylet_clients.h"
#include "components/protocol/raylet.pb.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class LostWorkers {
 public:
  struct Deps {
    RayletClients& raylets;
    AttemptObserver& observer;
    EventLog& log;
  };
  explicit LostWorkers(Deps deps) : deps_(deps) {}

  /// Takes over the tasks in flight at `worker`; each ends in one `OnLost`.
  void Add(const LeasedWorker& worker, const Error& reason);
  /// All workers on this node are dead, and what they stored is gone.
  void OnNodeDied(const NodeId& node, const Error& reason);

  /// Names the leases whose raylets have not answered yet: they are ours still.
  void AddLeaseIds(protocol::KeepLeasesRequest* keep) const;
  [[nodiscard]] std::size_t size() const { return workers_.size(); }
  void Stop();

 private:
  struct Lost {
    WorkerPlace place;
    std::string reason;  // of the lost connection
    std::deque<SubmittedTask*> in_flight;
  };
  void FreeResults(const LeaseId& id, const Result<protocol::EndLostWorkerReply>& end);
  void Finish(const LeaseId& id, const Result<protocol::EndLostWorkerReply>& end);

  Deps deps_;
  std::map<LeaseId, Lost> workers_;
  Lifetime alive_;
};

}  // namespace mobula::core_worker
