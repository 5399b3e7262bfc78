#include "components/core_worker/owner/lost_workers.h"

#include "components/protocol/raylet_methods.h"

namespace mobula::core_worker {
namespace {

/// Why `task` did not come back, from what the worker's raylet says; it may be silent.
Error LossError(const SubmittedTask& task, const NodeId& node, const std::string& connection,
                const Result<protocol::EndLostWorkerReply>& end) {
  RemoteFailure remote{
      .task_name = task.kind->name, .type_name = {}, .node_id = node.Hex(), .pid = 0};
  if (!end) {
    return Error(ErrorCode::kNodeDied, "the node died: " + end.error().message())
        .WithRemote(std::move(remote));
  }
  remote.pid = end->pid();
  std::string text =
      "the worker died: " +
      (end->cause().empty() ? "its connection was lost (" + connection + ")" : end->cause());
  const std::string& log = end->log_tail();
  const std::size_t last = log.find_last_not_of('\n');
  if (last != std::string::npos) text += "; last lines of its log: " + log.substr(0, last + 1);
  return Error(ErrorCode::kWorkerDied, std::move(text)).WithRemote(std::move(remote));
}

}  // namespace

void LostWorkers::Add(const LeasedWorker& worker, const Error& reason) {
  const LeaseId id = worker.lease_id;
  deps_.log.Info("lease", "lost", "worker={} tasks={} cause={}",
                 WorkerId::FromBinaryOrNil(worker.address.worker_id()).Short(),
                 worker.in_flight.size(), reason.message());
  // The lease stays on our list until the raylet has answered: were it not named in `KeepLeases`
  // meanwhile, the raylet would lend the worker on while it may still run our task.
  workers_[id] = {.place = worker.place, .reason = reason.message(), .in_flight = worker.in_flight};
  protocol::EndLostWorkerRequest request;
  request.set_lease_id(std::string(id.Binary()));
  request.set_worker_id(worker.address.worker_id());
  deps_.raylets.At(worker.place.raylet_endpoint)
      .Call(protocol::kEndLostWorker, request,
            alive_.Bind([this, id](const Result<protocol::EndLostWorkerReply>& end) {
              FreeResults(id, end);
            }));
}

// The worker is dead, so no attempt can store anything more. What they did store is deleted before
// the tasks run again: the next attempt would find the place of its result taken, and take over a
// value that may refer to objects nobody held. To wait for the answer keeps a late deletion from
// hitting the result of the next attempt.
void LostWorkers::FreeResults(const LeaseId& id, const Result<protocol::EndLostWorkerReply>& end) {
  const auto it = workers_.find(id);
  if (it == workers_.end()) return;  // its node was declared dead meanwhile
  const Lost& lost = it->second;
  // Without an answer the node is as good as dead, and its store with it.
  if (!end || lost.in_flight.empty()) return Finish(id, end);
  protocol::FreeObjectsRequest request;
  for (const SubmittedTask* task : lost.in_flight) {
    for (std::uint32_t i = 0; i < task->kind->result_count; ++i) {
      request.add_ids(std::string(ObjectId::OfTask(task->id, i).Binary()));
    }
  }
  deps_.raylets.At(lost.place.raylet_endpoint)
      .Call(protocol::kFreeObjects, request,
            alive_.Bind([this, id, end](const Result<protocol::Ack>&) { Finish(id, end); }));
}

//! [lease-charge]
void LostWorkers::Finish(const LeaseId& id, const Result<protocol::EndLostWorkerReply>& end) {
  const auto found = workers_.extract(id);
  if (found.empty()) return;
  const Lost& lost = found.mapped();
  // The oldest ran or was to run next. One behind it has begun only if an answer was lost on the
  // way; it has retries then, for a task without retries shares its worker with no other.
  Charge charge = Charge::kOneRetry;
  for (SubmittedTask* task : lost.in_flight) {
    deps_.observer.OnLost(*task, LossError(*task, lost.place.node, lost.reason, end), charge);
    charge = Charge::kFree;
  }
}
//! [lease-charge]

void LostWorkers::OnNodeDied(const NodeId& node, const Error& reason) {
  std::vector<LeaseId> dead;
  for (const auto& [id, lost] : workers_) {
    if (lost.place.node == node) dead.push_back(id);
  }
  for (const LeaseId& id : dead) Finish(id, Fail(reason));
}

void LostWorkers::AddLeaseIds(protocol::KeepLeasesRequest* keep) const {
  for (const auto& [id, lost] : workers_) keep->add_lease_ids(std::string(id.Binary()));
}

void LostWorkers::Stop() {
  alive_.End();
  workers_.clear();
}

}  // namespace mobula::core_worker
