// How leases end: given back in peace, or lost with their worker.

#include <algorithm>

#include "components/base/check.h"
#include "components/core_worker/owner/lease_pool.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker.pb.h"

namespace mobula::core_worker {
namespace {

/// Why `task` did not come back, from what the worker's raylet says; it may be silent.
Error LossError(const SubmittedTask& task, const NodeId& node, const std::string& connection,
                const Result<protocol::EndLostWorkerReply>& answer) {
  RemoteFailure remote{
      .task_name = task.kind->name, .type_name = {}, .node_id = node.Hex(), .pid = 0};
  if (!answer) {
    return Error(ErrorCode::kNodeDied, "the node died: " + answer.error().message())
        .WithRemote(std::move(remote));
  }
  remote.pid = answer->pid();
  std::string text =
      "the worker died: " +
      (answer->cause().empty() ? "its connection was lost (" + connection + ")" : answer->cause());
  const std::string& log = answer->log_tail();
  const std::size_t last = log.find_last_not_of('\n');
  if (last != std::string::npos) text += "; last lines of its log: " + log.substr(0, last + 1);
  return Error(ErrorCode::kWorkerDied, std::move(text)).WithRemote(std::move(remote));
}

}  // namespace

void LeasePool::OnOpened(const LeaseId& id, const Result<protocol::OpenLeaseReply>& reply) {
  const auto it = leases_.find(id);
  if (it == leases_.end()) return;
  Lease& lease = *it->second;
  if (reply) {
    lease.is_open = true;
    SendOutbox(lease);
    return;
  }
  if (reply.error().code() != ErrorCode::kVersionMismatch) return Lose(lease, reply.error());
  const std::deque<SubmittedTask*> refused = std::exchange(lease.in_flight, {});
  Return(lease);
  for (SubmittedTask* task : refused) deps_.observer.OnRefused(*task, reply.error());
}

/// Once per client: callbacks of a client cannot be taken away again.
void LeasePool::WatchWorker(const std::string& endpoint, rpc::Client& client) {
  if (!watched_workers_.insert(endpoint).second) return;
  client.OnDisconnected(
      alive_.Bind([this, endpoint](const Error& reason) { OnWorkerLost(endpoint, reason); }));
  client.OnGone(alive_.Bind([this, endpoint](const Error& reason) {
    watched_workers_.erase(endpoint);
    OnWorkerLost(endpoint, reason);
  }));
}

void LeasePool::OnWorkerLost(const std::string& endpoint, const Error& reason) {
  LoseAll([&](const Lease& lease) { return lease.place.worker_endpoint == endpoint; }, reason);
}

void LeasePool::LoseAll(const std::function<bool(const Lease&)>& is_lost, const Error& reason) {
  for (auto next = leases_.begin(); next != leases_.end();) {
    Lease& lease = *(next++)->second;
    if (is_lost(lease)) Lose(lease, reason);
  }
}

std::unique_ptr<Lease> LeasePool::Take(Lease& lease) {
  std::erase(lease.group->leases, &lease);
  MarkDirty(*lease.group);
  return std::move(leases_.extract(lease.id).mapped());
}

void LeasePool::Return(Lease& lease) {
  Check(lease.in_flight.empty(), "a lease is returned without tasks");
  SendReturn(lease.place.raylet_endpoint, std::string(lease.id.Binary()));
  Take(lease);
}

void LeasePool::SendReturn(const std::string& raylet, const std::string& lease) {
  protocol::ReturnLeaseRequest request;
  request.set_lease_id(lease);
  RayletAt(raylet).Call(protocol::kReturnLease, request, [](const Result<protocol::NoReply>&) {});
}

void LeasePool::Lose(Lease& lease, const Error& reason) {
  const auto taken = Take(lease);
  const LeaseId id = taken->id;
  deps_.log.Info("lease", "lost", "worker={} tasks={} cause={}",
                 WorkerId::FromBinaryOrNil(taken->worker.worker_id()).Short(),
                 taken->in_flight.size(), reason.message());
  lost_[id] = {.node = taken->place.node,
               .raylet_endpoint = taken->place.raylet_endpoint,
               .reason = reason.message(),
               .in_flight = std::move(taken->in_flight)};
  protocol::EndLostWorkerRequest request;
  request.set_lease_id(std::string(id.Binary()));
  request.set_worker_id(taken->worker.worker_id());
  RayletAt(taken->place.raylet_endpoint)
      .Call(protocol::kEndLostWorker, request,
            alive_.Bind([this, id](const Result<protocol::EndLostWorkerReply>& answer) {
              FreeResults(id, answer);
            }));
}

/// The worker is dead, so what it stored of unfinished attempts cannot grow any more. It is deleted
/// before the tasks run again: on that node a second attempt would find its result's place taken,
/// and take over bytes that the first may have left half referred to. To wait for the answer keeps
/// a late deletion from hitting the result of the second attempt.
void LeasePool::FreeResults(const LeaseId& id, const Result<protocol::EndLostWorkerReply>& end) {
  const auto it = lost_.find(id);
  if (it == lost_.end()) return;
  const Lost& lost = it->second;
  // Without an answer the node is as good as dead, and its store with it.
  if (!end || lost.in_flight.empty()) return FinishLost(id, end);
  protocol::FreeObjectsRequest request;
  for (const SubmittedTask* task : lost.in_flight) {
    for (std::uint32_t i = 0; i < task->kind->result_count; ++i) {
      request.add_ids(std::string(ObjectId::OfTask(task->id, i).Binary()));
    }
  }
  RayletAt(lost.raylet_endpoint)
      .Call(
          protocol::kFreeObjects, request,
          alive_.Bind([this, id, end](const Result<protocol::NoReply>&) { FinishLost(id, end); }));
}

//! [lease-charge]
void LeasePool::FinishLost(const LeaseId& id, const Result<protocol::EndLostWorkerReply>& answer) {
  auto found = lost_.extract(id);
  if (found.empty()) return;
  const Lost& lost = found.mapped();
  // The oldest ran or was to run next. One behind it has begun only if an answer was lost on the
  // way; it has retries then, for one without has nobody before it.
  Charge charge = Charge::kOneRetry;
  for (SubmittedTask* task : lost.in_flight) {
    deps_.observer.OnLost(*task, LossError(*task, lost.node, lost.reason, answer), charge);
    charge = Charge::kFree;
  }
}
//! [lease-charge]

void LeasePool::OnNodeDied(const NodeId& node, const std::string& reason) {
  const Error error(ErrorCode::kNodeDied, reason);
  LoseAll([&](const Lease& lease) { return lease.place.node == node; }, error);
  std::vector<LeaseId> lost;
  for (const auto& [id, entry] : lost_) {
    if (entry.node == node) lost.push_back(id);
  }
  for (const LeaseId& id : lost) FinishLost(id, Fail(error));
  std::vector<LeaseId> requests;
  for (const auto& [id, request] : requests_) {
    if (request.node == node) requests.push_back(id);
  }
  for (const LeaseId& id : requests) AskAgainAtHome(id, error);
}

}  // namespace mobula::core_worker
