#include "components/raylet/lease_manager.h"

#include <set>

#include "components/base/check.h"
#include "components/protocol/convert.h"
#include "components/protocol/gcs_convert.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::raylet {
namespace {

using protocol::RequestLeaseReply;
using protocol::RequestLeaseRequest;

/// How long a spilled request counts against a node that reports nothing of it.
constexpr Duration kSpillReportMax = std::chrono::milliseconds(250);

Result<scheduler::ResourceRequest> ToRequest(const RequestLeaseRequest& message) {
  scheduler::ResourceRequest request;
  request.resources = protocol::FromProto(message.resources());
  if (message.has_strategy()) {
    const Result<SchedulingStrategy> strategy = protocol::FromMessage(message.strategy());
    if (!strategy) return Fail(strategy.error());
    request.strategy = *strategy;
  }
  for (const auto& [node_hex, bytes] : message.local_bytes()) {
    const Result<std::string> binary = FromHex(node_hex);
    if (binary) request.locality[NodeId::FromBinaryOrNil(*binary)] = bytes;
  }
  return request;
}

JobId JobOf(const RequestLeaseRequest& request) { return JobId::FromBinaryOrNil(request.job_id()); }

}  // namespace

LeaseManager::LeaseManager(Deps deps, const RayletConfig& config, Hooks hooks)
    : deps_(deps),
      config_(config),
      hooks_(std::move(hooks)),
      granted_({deps_.loop, deps_.scheduler, deps_.pool, deps_.log}, config, [this] { Step(); }),
      reclaim_timer_(deps_.loop) {}

void LeaseManager::Request(RequestLeaseRequest request, rpc::Peer& peer,
                           rpc::Respond<RequestLeaseReply> respond) {
  // The same request came twice. A second entry would bring a second worker, for which its owner
  // has no use.
  if (tickets_.contains(request.request_id())) {
    return respond(Fail(ErrorCode::kAlreadyExists, "lease request {} is already waiting",
                        ToHex(request.request_id())));
  }
  Result<scheduler::ResourceRequest> wanted = ToRequest(request);
  if (!wanted) return respond(Fail(std::move(wanted.error())));
  const std::uint64_t ticket = ++last_ticket_;
  scheduler::LeaseRequest lease;
  lease.ticket = ticket;
  lease.owner = WorkerId::FromBinaryOrNil(request.owner().worker_id());
  lease.wants = *std::move(wanted);
  lease.depth = request.depth();
  lease.hops = request.hops();
  // Its queue is bounded. The owner is told and tries again later.
  Result<void> queued = deps_.scheduler.Submit(std::move(lease));
  if (!queued) return respond(Fail(std::move(queued.error())));
  tickets_[request.request_id()] = ticket;
  PendingRequest& record = requests_[ticket];
  record.request = std::move(request);
  record.peer = &peer;
  record.respond = std::move(respond);
  Step();
}

void LeaseManager::Step() {
  // What is done about one decision may change the books and so call this again. The change is
  // taken up in one more round, not in the middle of this one.
  if (std::exchange(is_stepping_, true)) {
    step_again_ = true;
    return;
  }
  do {
    step_again_ = false;
    for (scheduler::Action& next : deps_.scheduler.Step()) {
      std::visit([this](auto& action) { Apply(std::move(action)); }, next);
    }
  } while (step_again_);
  is_stepping_ = false;
  hooks_.on_change();
  // What is still pending waits for leases that are out. Their holders are told at the end of this
  // turn, when all requests that arrived in it are known.
  if (!requests_.empty() && !reclaim_timer_.IsSet()) {
    reclaim_timer_.Set(Duration(0), [this] { Reclaim(); });
  }
}

void LeaseManager::Apply(scheduler::action::Reject reject) {
  // The request has been sent on often enough, and this node can never serve it. Its owner begins
  // anew at home.
  const auto it = requests_.find(reject.ticket);
  if (it == requests_.end()) return;
  it->second.respond(Fail(ErrorCode::kResourceExhausted, "{}", reject.reason));
  Drop(reject.ticket);
}

void LeaseManager::Apply(scheduler::action::Infeasible never) {
  const auto it = requests_.find(never.ticket);
  if (it == requests_.end()) return;
  deps_.log.Info("lease", "infeasible", "ticket={} reason=\"{}\"", never.ticket, never.reason);
  // No node is big enough now, but an autoscaler may be starting one. The request stays queued and
  // is refused only if that is still so when the grace is over.
  it->second.infeasible = std::make_unique<Timer>(deps_.loop);
  it->second.infeasible->Set(config_.infeasible_grace, [this, never = std::move(never)] {
    FailInfeasible(never.ticket, never.reason);
  });
}

void LeaseManager::Apply(scheduler::action::Grant grant) {
  const auto it = requests_.find(grant.ticket);
  // What was done about an earlier decision of this step has cancelled it. Its resources are free
  // for the others.
  if (it == requests_.end()) {
    deps_.scheduler.Return(grant.resources);
    step_again_ = true;
    return;
  }
  it->second.is_decided = true;
  it->second.infeasible.reset();
  // The resources are taken from here on. The program comes first, which may have to be fetched,
  // and then a worker that runs it, which may have to be started.
  hooks_.prepare_job(
      it->second.request, false,
      alive_.Bind([this, grant = std::move(grant)](Result<void> ready) mutable {
        const auto pending = requests_.find(grant.ticket);
        if (pending == requests_.end()) {
          ready = Fail(ErrorCode::kCancelled, "nobody waits any more");
        }
        if (!ready) return FinishGrant(grant, Fail(std::move(ready.error())));
        deps_.pool.Take(
            JobOf(pending->second.request),
            alive_.Bind([this, grant = std::move(grant)](Result<protocol::Address> worker) {
              FinishGrant(grant, std::move(worker));
            }));
      }));
}

void LeaseManager::FinishGrant(const scheduler::action::Grant& grant,
                               Result<protocol::Address> worker) {
  const auto it = requests_.find(grant.ticket);
  const bool is_wanted = it != requests_.end() && !it->second.respond.IsAbandoned();
  // There is no worker, or its owner has cancelled or left meanwhile. The grant is undone as if it
  // had never been, and others get the worker and the resources.
  if (!worker || !is_wanted) {
    if (worker) deps_.pool.GiveBack(WorkerId::FromBinaryOrNil(worker->worker_id()));
    if (it != requests_.end()) {
      if (is_wanted) {
        it->second.respond(Fail(std::move(worker.error()).Context("no worker for the lease")));
      }
      Drop(grant.ticket);
    }
    deps_.scheduler.Return(grant.resources);
    Step();
    return;
  }
  // The lease exists from here on, before its owner knows of it. If the reply is lost with the
  // connection, the owner does not name the lease in its `KeepLeases`, and it ends.
  const auto id = deps_.random.NewId<LeaseId>();
  ++deps_.metrics.Counter("leases_granted_total");
  const WorkerId worker_id = WorkerId::FromBinaryOrNil(worker->worker_id());
  if (deps_.log.IsOn(LogLevel::kDebug)) {
    deps_.log.Debug("lease", "granted", "lease={} worker={} resources={}", id.Short(),
                    worker_id.Short(), grant.resources.ToString());
  }
  const RequestLeaseRequest& request = it->second.request;
  granted_.Add(id, {.worker = worker_id,
                    .owner = WorkerId::FromBinaryOrNil(request.owner().worker_id()),
                    .owner_node = NodeId::FromBinaryOrNil(request.owner().node_id()),
                    .job = JobOf(request),
                    .resources = grant.resources,
                    .granted = deps_.loop.Now(),
                    .peer = it->second.peer});
  RequestLeaseReply reply;
  reply.mutable_grant()->set_lease_id(std::string(id.Binary()));
  *reply.mutable_grant()->mutable_worker() = std::move(*worker);
  it->second.respond(reply);
  Drop(grant.ticket);
}

void LeaseManager::Apply(scheduler::action::SpillTo spill) {
  const auto it = requests_.find(spill.ticket);
  if (it == requests_.end()) return ReplySpill(spill, {});
  it->second.is_decided = true;
  // The other node can only start workers of a program that it can fetch, so ours is shared first.
  hooks_.prepare_job(it->second.request, true,
                     alive_.Bind([this, spill = std::move(spill)](Result<void> shared) {
                       ReplySpill(spill, shared);
                     }));
}

void LeaseManager::ReplySpill(const scheduler::action::SpillTo& spill, const Result<void>& shared) {
  // The scheduler counts this request against the other node until that node reports. If the owner
  // never goes there, this takes the count off again.
  deps_.loop.Schedule(kSpillReportMax, alive_.Bind([this, spill] {
    if (deps_.scheduler.ExpireSpill(spill)) Step();
  }));
  const auto it = requests_.find(spill.ticket);
  if (it == requests_.end()) return;
  const std::string endpoint = hooks_.endpoint_of(spill.node);
  if (!shared) {
    it->second.respond(Fail(shared.error()));
  } else if (endpoint.empty()) {
    // The node died while the program was being shared. The owner's next request finds another.
    it->second.respond(Fail(ErrorCode::kUnavailable,
                            "node {} left while the lease was being sent "
                            "there; ask again",
                            spill.node.Short()));
  } else {
    RequestLeaseReply reply;
    reply.mutable_spill()->set_node_id(std::string(spill.node.Binary()));
    reply.mutable_spill()->set_raylet_endpoint(endpoint);
    ++deps_.metrics.Counter("leases_spilled_total");
    deps_.log.Debug("lease", "spilled", "ticket={} to={}", spill.ticket, spill.node.Short());
    it->second.respond(reply);
  }
  Drop(spill.ticket);
}

void LeaseManager::FailInfeasible(std::uint64_t ticket, std::string reason) {
  // The grace is over, and only the present cluster counts. News since the last step may let the
  // request run, or give it a fresh grace; a node that could serve it may have joined and be busy.
  Step();
  const auto it = requests_.find(ticket);
  if (it == requests_.end() || it->second.is_decided || it->second.infeasible->IsSet()) return;
  if (!deps_.scheduler.IsInfeasible(ticket)) return;
  deps_.scheduler.Cancel(ticket);
  RequestLeaseReply reply;
  reply.mutable_infeasible()->set_reason(std::move(reason));
  it->second.respond(reply);
  Drop(ticket);
}

void LeaseManager::Drop(std::uint64_t ticket) {
  const auto it = requests_.find(ticket);
  if (it == requests_.end()) return;
  tickets_.erase(it->second.request.request_id());
  requests_.erase(it);
}

void LeaseManager::Cancel(const std::string& request_id) {
  // The answer may have crossed this message. Then the owner returns the lease that it gets.
  const auto it = tickets_.find(request_id);
  if (it == tickets_.end()) return;
  const std::uint64_t ticket = it->second;
  // A granted one waits for its worker. `FinishGrant` will find it gone and give everything back.
  if (!requests_.at(ticket).is_decided) deps_.scheduler.Cancel(ticket);
  Drop(ticket);
  hooks_.on_change();
}

void LeaseManager::CancelAll(const std::function<bool(const PendingRequest&)>& over) {
  std::vector<std::string> requests;
  for (const auto& [ticket, pending] : requests_) {
    if (over(pending)) requests.push_back(pending.request.request_id());
  }
  for (const std::string& request : requests) Cancel(request);
}

void LeaseManager::OnPeerClosed(rpc::Peer& peer) {
  // Nobody is left to take the answers to these.
  CancelAll([&](const PendingRequest& pending) { return pending.peer == &peer; });
  granted_.OnPeerClosed(peer);
}

void LeaseManager::EndJob(const JobId& job) {
  CancelAll([&](const PendingRequest& pending) { return JobOf(pending.request) == job; });
  granted_.EndJob(job);
}

void LeaseManager::Reclaim() {
  std::set<WorkerId> waiting;
  for (const auto& [ticket, pending] : requests_) {
    // A granted one waits for its worker process, and no returned lease would help it.
    if (pending.is_decided) continue;
    waiting.insert(WorkerId::FromBinaryOrNil(pending.request.owner().worker_id()));
    if (waiting.size() > 1) break;  // enough to know that it is not one owner alone
  }
  if (waiting.empty()) return;
  if (granted_.Reclaim(waiting)) reclaim_timer_.Set(config_.lease_share, [this] { Reclaim(); });
}

std::vector<protocol::Demand> LeaseManager::Demands() const {
  std::vector<protocol::Demand> demands;
  for (const scheduler::QueuedShape& shape : deps_.scheduler.Queue()) {
    protocol::Demand& demand = demands.emplace_back();
    *demand.mutable_resources() = protocol::ToProto(shape.wants.resources);
    demand.set_count(static_cast<std::uint32_t>(shape.count));
    demand.set_reason(shape.reason);
  }
  return demands;
}

void LeaseManager::CheckInvariants() const {
  deps_.scheduler.CheckInvariants();
  granted_.CheckInvariants();
  for (const auto& [request, ticket] : tickets_) {
    Check(requests_.contains(ticket), "every request id names a pending request");
  }
}

}  // namespace mobula::raylet
