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

/// How long a spilled ask counts against a node that reports nothing of it.
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

/// What a worker frees while it waits in `Get`; memory, GPUs and the rest it goes on holding.
ResourceSet Lendable(const ResourceSet& resources) {
  ResourceSet cpu;
  cpu.Set(kCpu, resources.Get(kCpu));
  return cpu;
}

JobId JobOf(const RequestLeaseRequest& request) { return JobId::FromBinaryOrNil(request.job_id()); }

}  // namespace

LeaseManager::LeaseManager(Deps deps, const RayletConfig& config, Hooks hooks)
    : deps_(deps), config_(config), hooks_(std::move(hooks)), reclaim_timer_(deps_.loop) {}

void LeaseManager::Request(RequestLeaseRequest request, rpc::Peer& peer,
                           rpc::Respond<RequestLeaseReply> respond) {
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
  Result<void> queued = deps_.scheduler.Submit(std::move(lease));
  if (!queued) return respond(Fail(std::move(queued.error())));
  tickets_[request.request_id()] = ticket;
  Ask& record = asks_[ticket];
  record.request = std::move(request);
  record.peer = &peer;
  record.respond = std::move(respond);
  Step();
}

void LeaseManager::Step() {
  if (std::exchange(is_stepping_, true)) {
    step_again_ = true;
    return;
  }
  do {
    step_again_ = false;
    for (scheduler::Action& next : deps_.scheduler.Step()) {
      if (auto* grant = std::get_if<scheduler::action::Grant>(&next)) {
        Grant(grant->ticket, grant->resources);
      } else if (auto* spill = std::get_if<scheduler::action::SpillTo>(&next)) {
        Spill(std::move(*spill));
      } else if (auto* reject = std::get_if<scheduler::action::Reject>(&next)) {
        const auto it = asks_.find(reject->ticket);
        if (it == asks_.end()) continue;
        it->second.respond(Fail(ErrorCode::kResourceExhausted, "{}", reject->reason));
        Drop(reject->ticket);
      } else if (auto* never = std::get_if<scheduler::action::Infeasible>(&next)) {
        const auto it = asks_.find(never->ticket);
        if (it == asks_.end()) continue;
        deps_.log.Info("lease", "infeasible", "ticket={} reason=\"{}\"", never->ticket,
                       never->reason);
        it->second.infeasible = std::make_unique<Timer>(deps_.loop);
        it->second.infeasible->Set(config_.infeasible_grace,
                                   [this, ticket = never->ticket, reason = never->reason] {
                                     FailInfeasible(ticket, reason);
                                   });
      }
    }
  } while (step_again_);
  is_stepping_ = false;
  hooks_.on_change();
  if (!asks_.empty() && !reclaim_timer_.IsSet()) {
    reclaim_timer_.Set(Duration(0), [this] { Reclaim(); });
  }
}

void LeaseManager::Grant(std::uint64_t ticket, const ResourceSet& resources) {
  const auto it = asks_.find(ticket);
  if (it == asks_.end()) {
    deps_.scheduler.Return(resources);
    step_again_ = true;
    return;
  }
  it->second.is_granted = true;
  it->second.infeasible.reset();
  hooks_.prepare_job(
      it->second.request, false, alive_.Bind([this, ticket, resources](Result<void> ready) {
        const auto ask = asks_.find(ticket);
        if (ask == asks_.end() || !ready) {
          return FinishGrant(ticket, resources,
                             ready ? Fail(ErrorCode::kCancelled, "nobody waits any more")
                                   : Fail(std::move(ready.error())));
        }
        deps_.pool.Take(JobOf(ask->second.request),
                        alive_.Bind([this, ticket, resources](Result<protocol::Address> worker) {
                          FinishGrant(ticket, resources, std::move(worker));
                        }));
      }));
}

void LeaseManager::FinishGrant(std::uint64_t ticket, const ResourceSet& resources,
                               Result<protocol::Address> worker) {
  const auto it = asks_.find(ticket);
  const bool is_wanted = it != asks_.end() && !it->second.respond.IsAbandoned();
  if (!worker || !is_wanted) {
    if (worker) deps_.pool.GiveBack(WorkerId::FromBinaryOrNil(worker->worker_id()));
    if (it != asks_.end()) {
      if (is_wanted) {
        it->second.respond(Fail(std::move(worker.error()).Context("no worker for the lease")));
      }
      Drop(ticket);
    }
    deps_.scheduler.Return(resources);
    Step();
    return;
  }
  const auto id = deps_.random.NewId<LeaseId>();
  Lease& lease = leases_[id];
  lease.worker = WorkerId::FromBinaryOrNil(worker->worker_id());
  lease.owner = WorkerId::FromBinaryOrNil(it->second.request.owner().worker_id());
  lease.owner_node = NodeId::FromBinaryOrNil(it->second.request.owner().node_id());
  lease.job = JobOf(it->second.request);
  lease.resources = resources;
  lease.peer = it->second.peer;
  lease.granted = deps_.loop.Now();
  by_worker_[lease.worker] = id;
  ++deps_.metrics.Counter("leases_granted_total");
  if (deps_.log.IsOn(LogLevel::kDebug)) {
    deps_.log.Debug("lease", "granted", "lease={} worker={} resources={}", id.Short(),
                    lease.worker.Short(), resources.ToString());
  }
  RequestLeaseReply reply;
  reply.mutable_grant()->set_lease_id(std::string(id.Binary()));
  *reply.mutable_grant()->mutable_worker() = std::move(*worker);
  it->second.respond(reply);
  Drop(ticket);
}

void LeaseManager::Spill(scheduler::action::SpillTo spill) {
  const auto it = asks_.find(spill.ticket);
  if (it == asks_.end()) return ReplySpill(spill, {});
  it->second.is_granted = true;  // out of the scheduler's queue
  hooks_.prepare_job(it->second.request, true,
                     alive_.Bind([this, spill = std::move(spill)](Result<void> shared) {
                       ReplySpill(spill, shared);
                     }));
}

void LeaseManager::ReplySpill(const scheduler::action::SpillTo& spill, const Result<void>& shared) {
  deps_.loop.Schedule(kSpillReportMax, alive_.Bind([this, spill] {
    if (deps_.scheduler.ExpireSpill(spill)) Step();
  }));
  const auto it = asks_.find(spill.ticket);
  if (it == asks_.end()) return;
  const std::string endpoint = hooks_.endpoint_of(spill.node);
  if (!shared) {
    it->second.respond(Fail(shared.error()));
  } else if (endpoint.empty()) {
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
  const auto it = asks_.find(ticket);
  if (it == asks_.end() || it->second.is_granted || it->second.infeasible->IsSet()) return;
  if (!deps_.scheduler.IsInfeasible(ticket)) return;
  deps_.scheduler.Cancel(ticket);
  RequestLeaseReply reply;
  reply.mutable_infeasible()->set_reason(std::move(reason));
  it->second.respond(reply);
  Drop(ticket);
}

void LeaseManager::Drop(std::uint64_t ticket) {
  const auto it = asks_.find(ticket);
  if (it == asks_.end()) return;
  tickets_.erase(it->second.request.request_id());
  asks_.erase(it);
}

void LeaseManager::Cancel(const std::string& request_id) {
  const auto it = tickets_.find(request_id);
  if (it == tickets_.end()) return;
  const std::uint64_t ticket = it->second;
  // A granted one is still on its way to a worker; FinishGrant finds it gone and gives back.
  if (!asks_.at(ticket).is_granted) deps_.scheduler.Cancel(ticket);
  Drop(ticket);
  hooks_.on_change();
}

void LeaseManager::CancelAll(const std::function<bool(const Ask&)>& over) {
  std::vector<std::string> requests;
  for (const auto& [ticket, ask] : asks_) {
    if (over(ask)) requests.push_back(ask.request.request_id());
  }
  for (const std::string& request : requests) Cancel(request);
}

void LeaseManager::Return(const LeaseId& lease) { End(lease, true); }

void LeaseManager::EndLostWorker(const protocol::EndLostWorkerRequest& request,
                                 rpc::Respond<protocol::EndLostWorkerReply> respond) {
  const LeaseId id = LeaseId::FromBinaryOrNil(request.lease_id());
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.worker_id());
  // The pool answers when the process is gone. The lease ends only then: its resources are in use
  // as long as the process is.
  auto answer = [this, id, respond = std::move(respond)](
                    const std::optional<protocol::WorkerDeath>& death) mutable {
    End(id, false);
    protocol::EndLostWorkerReply reply;
    reply.set_cause(death ? death->cause() : "its raylet no longer knows it");
    if (death) reply.set_pid(death->pid());
    if (death) reply.set_log_tail(death->log_tail());
    respond(reply);
  };
  deps_.pool.DescribeDeath(worker, alive_.Bind(std::move(answer)));
}

void LeaseManager::End(const LeaseId& id, bool worker_lives) {
  const auto it = leases_.find(id);
  if (it == leases_.end()) return;
  const Lease lease = std::move(it->second);
  leases_.erase(it);
  by_worker_.erase(lease.worker);
  if (lease.is_blocked) deps_.scheduler.RestoreToUnblocked(Lendable(lease.resources));
  deps_.scheduler.Return(lease.resources);
  if (worker_lives) deps_.pool.GiveBack(lease.worker);
  Step();
}

void LeaseManager::Keep(const protocol::KeepLeasesRequest& request, rpc::Peer& peer) {
  const std::set<std::string> kept(request.lease_ids().begin(), request.lease_ids().end());
  std::vector<LeaseId> over;
  for (auto& [id, lease] : leases_) {
    if (lease.owner.Binary() != request.owner_id()) continue;
    if (!kept.contains(std::string(id.Binary()))) over.push_back(id);
    lease.peer = &peer;
    lease.orphan.reset();
    lease.told = Lease::Told::kNothing;
  }
  for (const LeaseId& id : over) End(id, true);
  Step();
}

void LeaseManager::SetBlocked(const WorkerId& worker, bool blocked) {
  const auto it = by_worker_.find(worker);
  if (it == by_worker_.end()) return;
  Lease& lease = leases_.at(it->second);
  if (lease.is_blocked == blocked) return;
  lease.is_blocked = blocked;
  if (blocked) {
    deps_.scheduler.LendFromBlocked(Lendable(lease.resources));
  } else {
    deps_.scheduler.RestoreToUnblocked(Lendable(lease.resources));
  }
  Step();
}

void LeaseManager::OnProcessEnded(const WorkerId& process) {
  if (const auto it = by_worker_.find(process); it != by_worker_.end()) End(it->second, false);
  EndAll([&](const Lease& lease) { return lease.owner == process; });
}

void LeaseManager::OnNodeDied(const NodeId& node) {
  EndAll([&](const Lease& lease) { return lease.owner_node == node; });
}

void LeaseManager::EndAll(const std::function<bool(const Lease&)>& which) {
  std::vector<LeaseId> over;
  for (const auto& [id, lease] : leases_) {
    if (which(lease)) over.push_back(id);
  }
  for (const LeaseId& id : over) {
    const WorkerId worker = leases_.at(id).worker;
    End(id, false);
    deps_.pool.Kill(worker);
  }
}

void LeaseManager::OnPeerClosed(rpc::Peer& peer) {
  CancelAll([&](const Ask& ask) { return ask.peer == &peer; });
  for (auto& [id, lease] : leases_) {
    if (lease.peer != &peer) continue;
    lease.peer = nullptr;
    lease.orphan = std::make_unique<Timer>(deps_.loop);
    lease.orphan->Set(config_.lease_orphan_grace, [this, id = id] {
      const WorkerId worker = leases_.at(id).worker;
      deps_.log.Info("lease", "orphaned", "lease={} worker={}", id.Short(), worker.Short());
      End(id, false);
      deps_.pool.Kill(worker);
    });
  }
}

void LeaseManager::EndJob(const JobId& job) {
  CancelAll([&](const Ask& ask) { return JobOf(ask.request) == job; });
  EndAll([&](const Lease& lease) { return lease.job == job; });
}

void LeaseManager::Reclaim() {
  std::set<WorkerId> waiting;
  for (const auto& [ticket, ask] : asks_) {
    if (ask.is_granted) continue;
    waiting.insert(WorkerId::FromBinaryOrNil(ask.request.owner().worker_id()));
    if (waiting.size() > 1) break;  // enough to know that it is not one alone
  }
  if (waiting.empty()) return;
  bool is_any_young = false;
  std::vector<std::pair<rpc::Peer*, protocol::ReclaimLeasesRequest>> by_peer;
  for (auto& [id, lease] : leases_) {
    if (lease.peer == nullptr || lease.is_blocked) continue;
    const bool only_holder_waits = waiting.size() == 1 && waiting.contains(lease.owner);
    const bool is_young = deps_.loop.Now() - lease.granted < config_.lease_share;
    is_any_young |= is_young && !only_holder_waits;
    const Lease::Told tell =
        only_holder_waits || is_young ? Lease::Told::kIfIdle : Lease::Told::kReclaimed;
    if (tell <= lease.told) continue;
    lease.told = tell;
    auto it = std::ranges::find(by_peer, lease.peer, [](const auto& entry) { return entry.first; });
    if (it == by_peer.end()) it = by_peer.insert(it, {lease.peer, {}});
    (tell == Lease::Told::kIfIdle ? it->second.add_if_idle_ids() : it->second.add_lease_ids())
        ->assign(id.Binary());
  }
  for (auto& [peer, request] : by_peer) peer->Notify(protocol::kReclaimLeases, request);
  if (is_any_young) reclaim_timer_.Set(config_.lease_share, [this] { Reclaim(); });
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
  Check(by_worker_.size() == leases_.size(), "one worker serves one lease");
  for (const auto& [request, ticket] : tickets_) {
    Check(asks_.contains(ticket), "every request id names an ask");
  }
}

}  // namespace mobula::raylet
