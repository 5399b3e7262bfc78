#include "components/core_worker/owner/lease_requests.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/protocol/convert.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::core_worker {
namespace {

/// Where the argument bytes of a task are, for policies that go to the data.
void AddLocality(const SubmittedTask& task, protocol::RequestLeaseRequest* request) {
  if (task.arguments == nullptr) return;
  for (const TaskArguments::ByReference& argument : task.arguments->references) {
    const protocol::Stored& hint = argument.stored.hint();
    for (const protocol::Copy& copy : hint.copies()) {
      (*request->mutable_local_bytes())[ToHex(copy.node_id())] += hint.size_bytes();
    }
  }
}

/// The raylet is away, as opposed to: it says no.
bool IsPassing(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kCancelled ||
         code == ErrorCode::kDeadlineExceeded || code == ErrorCode::kNodeDied;
}

}  // namespace

LeaseRequests::LeaseRequests(Deps deps, Config config, Hooks hooks)
    : deps_(std::move(deps)), config_(config), hooks_(std::move(hooks)) {}

void LeaseRequests::Adjust(SchedulingGroup& group, std::size_t wanted) {
  // The youngest are cancelled: the oldest are nearest to their turn.
  while (group.requests.size() < wanted) Add(group, 0);
  while (group.requests.size() > wanted) Cancel(*group.requests.rbegin());
}

// Every request begins at home: our raylet has the newest picture of the cluster, and spills it.
void LeaseRequests::Add(SchedulingGroup& group, std::uint32_t failures) {
  const auto id = deps_.random.NewId<LeaseId>();
  Request& request = requests_[id];
  request.group = &group;
  request.endpoint = deps_.raylets.home_endpoint();
  request.node = NodeId::FromBinaryOrNil(holder_.address.node_id());
  request.failures = failures;
  group.requests.insert(id);
  if (failures == 0) return Send(id);
  // The raylet that had the request did not answer. Ours will soon know whether that one is dead
  // and place the request elsewhere, so each further attempt waits longer.
  const auto doubled = config_.backoff_min * (1U << std::min(failures - 1, 10U));
  request.retry = std::make_unique<Timer>(deps_.loop);
  request.retry->Set(std::min<Duration>(doubled, config_.backoff_max), [this, id] { Send(id); });
}

void LeaseRequests::Send(const LeaseId& id) {
  Request& request = requests_.at(id);
  const SchedulingKey& key = request.group->key;
  protocol::RequestLeaseRequest message;
  message.set_request_id(std::string(id.Binary()));
  *message.mutable_owner() = holder_.address;
  message.set_job_id(std::string(holder_.job.Binary()));
  *message.mutable_program() = holder_.program;
  for (const auto& [name, amount] : key.resources.entries()) {
    (*message.mutable_resources()->mutable_units())[name] = amount.units();
  }
  message.set_depth(key.depth);
  *message.mutable_strategy() = protocol::ToMessage(key.strategy);
  message.set_hops(request.hops);
  // Each request speaks for another of the queued tasks, so that data draws its worker near.
  if (!request.group->ready.empty()) {
    const auto last = std::min(request.group->requests.size(), request.group->ready.size()) - 1;
    AddLocality(*request.group->ready[last], &message);
  }
  deps_.raylets.At(request.endpoint)
      .Call(protocol::kRequestLease, message,
            alive_.Bind(
                [this, id, endpoint = request.endpoint](Result<protocol::RequestLeaseReply> reply) {
                  HandleReply(id, endpoint, std::move(reply));
                }));
}

void LeaseRequests::HandleReply(const LeaseId& id, const std::string& endpoint,
                                Result<protocol::RequestLeaseReply> reply) {
  const auto it = requests_.find(id);
  if (it == requests_.end() || it->second.endpoint != endpoint) {
    // Cancelled, or made again elsewhere, and granted before the raylet knew. Nobody here needs the
    // worker; without this it would be ours for ever.
    if (reply && reply->has_grant()) {
      deps_.raylets.ReturnLease(endpoint, LeaseId::FromBinaryOrNil(reply->grant().lease_id()));
    }
    return;
  }
  Request& request = it->second;
  if (!reply && IsPassing(reply.error().code())) {
    // The raylet died, or its connection broke, with our request in its queue.
    deps_.log.Debug("lease", "unanswered", "at={} cause={}", endpoint, reply.error().message());
    RetryAtHome(id, reply.error());
  } else if (!reply) {
    // It answered, and the answer is no: the job has ended, say, or its workers do not start. To
    // ask again would be answered alike.
    hooks_.on_refused(Erase(id), reply.error());
  } else if (reply->has_grant()) {
    // A worker is ours until we return it. How it is used is up to the pool; this request is done.
    hooks_.on_grant(Erase(id), endpoint, reply->grant());
  } else if (reply->has_spill()) {
    // That raylet has no room now, but believes that this one has: the same request goes there.
    ++request.hops;
    request.endpoint = reply->spill().raylet_endpoint();
    request.node = NodeId::FromBinaryOrNil(reply->spill().node_id());
    Send(id);
  } else {
    // No node of the cluster is big enough, and none has joined for a while.
    hooks_.on_refused(Erase(id), Error(ErrorCode::kInfeasible, reply->infeasible().reason()));
  }
}

void LeaseRequests::RetryAtHome(const LeaseId& id, const Error& why) {
  const std::uint32_t failures = requests_.at(id).failures + 1;
  SchedulingGroup& group = Erase(id);
  // While some worker of this key does work, the tasks get on. Else they must not wait for ever.
  if (failures > config_.failures_max && group.workers.empty()) {
    hooks_.on_refused(group,
                      Error(why).Context(fmt::format("no lease after {} requests", failures)));
  } else {
    Add(group, failures);
  }
}

void LeaseRequests::OnNodeDied(const NodeId& node, const Error& reason) {
  // The node took our requests with it. Its raylet will not answer them, and its connection may
  // take long to break, so they do not wait for that.
  std::vector<LeaseId> there;
  for (const auto& [id, request] : requests_) {
    if (request.node == node) there.push_back(id);
  }
  for (const LeaseId& id : there) RetryAtHome(id, reason);
}

void LeaseRequests::Cancel(const LeaseId& id) {
  const Request& request = requests_.at(id);
  // The raylet takes it out of its queue. If it has granted it already, `HandleReply` returns the
  // worker.
  if (request.retry == nullptr || !request.retry->IsSet()) {  // else it is not out
    protocol::CancelLeaseRequest message;
    message.set_request_id(std::string(id.Binary()));
    deps_.raylets.At(request.endpoint).Notify(protocol::kCancelLease, message);
  }
  Erase(id);
}

SchedulingGroup& LeaseRequests::Erase(const LeaseId& id) {
  const auto it = requests_.find(id);
  SchedulingGroup& group = *it->second.group;
  group.requests.erase(id);
  requests_.erase(it);
  return group;
}

void LeaseRequests::Stop() {
  alive_.End();
  requests_.clear();
}

void LeaseRequests::CheckInvariants() const {
  for (const auto& [id, request] : requests_) {
    Check(request.group->requests.contains(id), "a request is in its group");
  }
}

}  // namespace mobula::core_worker
