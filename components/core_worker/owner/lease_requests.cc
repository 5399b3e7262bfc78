// How the lease pool gets leases from raylets.

#include <algorithm>

#include "components/base/check.h"
#include "components/core_worker/owner/lease_pool.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/protocol/convert.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker_methods.h"

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

/// As many requests as tasks that no lease of ours has room for; fewer if those we have will have
/// done them before another could begin, or are as many as we can feed. More would have the raylet
/// ask us for the idle ones among our own.
void LeasePool::AdjustRequests(Group& group) {
  std::size_t wanted = std::min(group.ready.size(), config_.lease_requests_max);
  const auto is_stalled = [](const Lease* lease) { return lease->is_stalled; };
  if (group.task_time && std::ranges::none_of(group.leases, is_stalled)) {
    const auto going = static_cast<std::size_t>(
        std::ranges::count(group.leases, false, [](const Lease* l) { return l->is_reclaimed; }));
    const auto total = group.ready.size() * *group.task_time;
    const auto late = static_cast<std::size_t>(total / config_.pipeline_time);
    wanted = std::min({wanted, going == 0 ? std::max<std::size_t>(late, 1) : late,
                       std::max(FedMax(group), going) - going});
  }
  while (group.requests.size() < wanted) NewRequest(group, 0);
  while (group.requests.size() > wanted) CancelRequest(*group.requests.rbegin());
}

void LeasePool::NewRequest(Group& group, std::uint32_t failures) {
  const auto id = random_.NewId<LeaseId>();
  Request& request = requests_[id];
  request.group = &group;
  request.endpoint = raylet_endpoint_;
  request.node = node_;
  request.failures = failures;
  group.requests.insert(id);
  if (failures == 0) return Ask(id);
  const auto doubled = config_.backoff_min * (1U << std::min(failures - 1, 10U));
  request.retry = std::make_unique<Timer>(deps_.loop);
  request.retry->Set(std::min<Duration>(doubled, config_.backoff_max), [this, id] { Ask(id); });
}

void LeasePool::Ask(const LeaseId& id) {
  Request& request = requests_.at(id);
  const SchedulingKey& key = request.group->key;
  protocol::RequestLeaseRequest message;
  message.set_request_id(std::string(id.Binary()));
  *message.mutable_owner() = self_;
  message.set_job_id(std::string(job_.Binary()));
  *message.mutable_program() = program_;
  for (const auto& [name, amount] : key.resources.entries()) {
    (*message.mutable_resources()->mutable_units())[name] = amount.units();
  }
  message.set_depth(key.depth);
  *message.mutable_strategy() = protocol::ToMessage(key.strategy);
  message.set_hops(request.hops);
  if (!request.group->ready.empty()) {  // each request speaks for another task
    const auto last = std::min(request.group->requests.size(), request.group->ready.size()) - 1;
    AddLocality(*request.group->ready[last], &message);
  }
  RayletAt(request.endpoint)
      .Call(protocol::kRequestLease, message,
            alive_.Bind([this, id,
                         endpoint = request.endpoint](Result<protocol::RequestLeaseReply> answer) {
              OnAnswer(id, endpoint, std::move(answer));
            }));
}

rpc::Client& LeasePool::RayletAt(const std::string& endpoint) {
  if (endpoint == raylet_endpoint_) return deps_.raylet;  // without it we end
  const auto client = deps_.peers.Get(endpoint);
  if (std::weak_ptr<rpc::Client>& known = known_raylets_[endpoint]; known.lock() != client) {
    known = client;
    client->OnConnected(alive_.Bind([this](rpc::Peer& raylet) { KeepLeases(raylet); }));
  }
  return *client;
}

/// After a lost connection it would end our leases, or keep one that we have returned in vain.
void LeasePool::KeepLeases(rpc::Peer& raylet) {
  protocol::KeepLeasesRequest keep;
  keep.set_owner_id(self_.worker_id());
  for (const auto& [id, lease] : leases_) keep.add_lease_ids(std::string(id.Binary()));
  for (const auto& [id, lost] : lost_) keep.add_lease_ids(std::string(id.Binary()));
  raylet.Notify(protocol::kKeepLeases, keep);
}

void LeasePool::OnAnswer(const LeaseId& id, const std::string& endpoint,
                         Result<protocol::RequestLeaseReply> answer) {
  const auto it = requests_.find(id);
  if (it == requests_.end() || it->second.endpoint != endpoint) {
    if (answer && answer->has_grant()) {  // cancelled, and granted before the raylet knew
      SendReturn(endpoint, answer->grant().lease_id());
    }
    return;
  }
  Request& request = it->second;
  if (!answer && IsPassing(answer.error().code())) {
    deps_.log.Debug("lease", "unanswered", "at={} cause={}", endpoint, answer.error().message());
    AskAgainAtHome(id, answer.error());
  } else if (!answer) {
    Refuse(Erase(id), answer.error());
  } else if (answer->has_grant()) {
    OnGrant(Erase(id), endpoint, answer->grant());
  } else if (answer->has_spill()) {
    ++request.hops;
    request.endpoint = answer->spill().raylet_endpoint();
    request.node = NodeId::FromBinaryOrNil(answer->spill().node_id());
    Ask(id);
  } else {
    Refuse(Erase(id), Error(ErrorCode::kInfeasible, answer->infeasible().reason()));
  }
}

void LeasePool::OnGrant(Group& group, const std::string& endpoint, const protocol::Grant& grant) {
  MarkDirty(group);
  if (group.ready.empty()) {
    SendReturn(endpoint, grant.lease_id());
    return;
  }
  auto owned = std::make_unique<Lease>();
  Lease& lease = *owned;
  lease.id = LeaseId::FromBinaryOrNil(grant.lease_id());
  lease.group = &group;
  lease.worker = grant.worker();
  lease.place.node = NodeId::FromBinaryOrNil(grant.worker().node_id());
  lease.place.raylet_endpoint = endpoint;
  lease.place.worker_endpoint = protocol::EndpointFor(grant.worker(), self_.node_id());
  lease.client = deps_.peers.Get(lease.place.worker_endpoint);
  lease.progress = deps_.loop.Now();
  group.leases.push_back(&lease);
  leases_.insert_or_assign(lease.id, std::move(owned));
  WatchWorker(lease.place.worker_endpoint, *lease.client);

  protocol::OpenLeaseRequest open;
  open.set_lease_id(grant.lease_id());
  *open.mutable_owner() = self_;
  *open.mutable_program() = program_;
  open.set_job_id(std::string(job_.Binary()));
  lease.client->Call(
      protocol::kOpenLease, open,
      alive_.Bind([this, id = lease.id](const Result<protocol::OpenLeaseReply>& reply) {
        OnOpened(id, reply);
      }));
  // Connected already: what is sent next arrives after it. Notifications do not wait to connect.
  lease.is_open = lease.client->IsConnected();
}

/// The raylet we were sent to is away; ours has news of it soon.
void LeasePool::AskAgainAtHome(const LeaseId& id, const Error& why) {
  const std::uint32_t failures = requests_.at(id).failures + 1;
  Group& group = Erase(id);
  if (failures > config_.request_failures_max && group.leases.empty()) {
    Refuse(group, Error(why).Context(fmt::format("no lease after {} requests", failures)));
  } else {
    NewRequest(group, failures);
  }
}

SchedulingGroup& LeasePool::Erase(const LeaseId& request) {
  const auto it = requests_.find(request);
  Group& group = *it->second.group;
  group.requests.erase(request);
  requests_.erase(it);
  return group;
}

void LeasePool::CancelRequest(const LeaseId& id) {
  const Request& request = requests_.at(id);
  if (request.retry == nullptr || !request.retry->IsSet()) {
    protocol::CancelLeaseRequest message;
    message.set_request_id(std::string(id.Binary()));
    RayletAt(request.endpoint).Notify(protocol::kCancelLease, message);
  }
  Erase(id);
}

void LeasePool::Refuse(Group& group, const Error& error) {
  deps_.log.Info("lease", "refused", "tasks={} reason={}", group.ready.size(), error.message());
  for (SubmittedTask* task : std::exchange(group.ready, {})) deps_.observer.OnRefused(*task, error);
  MarkDirty(group);
}

}  // namespace mobula::core_worker
