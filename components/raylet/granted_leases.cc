#include "components/raylet/granted_leases.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "components/base/check.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::raylet {
namespace {

/// What a worker frees while it waits in `Get`. It goes on holding memory, GPUs and the rest.
ResourceSet Lendable(const ResourceSet& resources) {
  ResourceSet cpu;
  cpu.Set(kCpu, resources.Get(kCpu));
  return cpu;
}

}  // namespace

GrantedLeases::GrantedLeases(Deps deps, const RayletConfig& config, std::function<void()> on_freed)
    : deps_(deps), config_(config), on_freed_(std::move(on_freed)) {}

void GrantedLeases::Add(const LeaseId& id, GrantedLease lease) {
  by_worker_[lease.worker] = id;
  leases_[id].lease = std::move(lease);
}

void GrantedLeases::Return(const LeaseId& id) { End(id, Worker::kGoesOn); }

void GrantedLeases::EndLostWorker(const protocol::EndLostWorkerRequest& request,
                                  rpc::Respond<protocol::EndLostWorkerReply> respond) {
  const LeaseId id = LeaseId::FromBinaryOrNil(request.lease_id());
  const WorkerId worker = WorkerId::FromBinaryOrNil(request.worker_id());
  // The pool answers when the process is gone. The lease ends only then: its resources are in use
  // as long as the process is.
  auto answer = [this, id, respond = std::move(respond)](
                    const std::optional<protocol::WorkerDeath>& death) mutable {
    End(id, Worker::kEnded);
    protocol::EndLostWorkerReply reply;
    reply.set_cause(death ? death->cause() : "its raylet no longer knows it");
    if (death) reply.set_pid(death->pid());
    if (death) reply.set_log_tail(death->log_tail());
    respond(reply);
  };
  deps_.pool.DescribeDeath(worker, alive_.Bind(std::move(answer)));
}

void GrantedLeases::End(const LeaseId& id, Worker worker) {
  // A lease may be ended twice: its owner returns it while we end it for another reason. Only the
  // first end gives anything back.
  const auto it = leases_.find(id);
  if (it == leases_.end()) return;
  const Record over = std::move(it->second);
  leases_.erase(it);
  by_worker_.erase(over.lease.worker);
  // What a blocked worker has lent is part of what its lease holds. The scheduler wants it back
  // before the whole is returned.
  if (over.is_blocked) deps_.scheduler.RestoreToUnblocked(Lendable(over.lease.resources));
  deps_.scheduler.Return(over.lease.resources);
  if (worker == Worker::kGoesOn) deps_.pool.GiveBack(over.lease.worker);
  on_freed_();
}

void GrantedLeases::EndAndKill(const LeaseId& id) {
  const WorkerId worker = leases_.at(id).lease.worker;
  End(id, Worker::kEnded);
  deps_.pool.Kill(worker);
}

void GrantedLeases::EndAll(const std::function<bool(const GrantedLease&)>& is_over) {
  std::vector<LeaseId> over;
  for (const auto& [id, record] : leases_) {
    if (is_over(record.lease)) over.push_back(id);
  }
  for (const LeaseId& id : over) EndAndKill(id);
}

void GrantedLeases::Keep(const protocol::KeepLeasesRequest& request, rpc::Peer& peer) {
  const std::set<std::string> kept(request.lease_ids().begin(), request.lease_ids().end());
  std::vector<LeaseId> over;
  for (auto& [id, record] : leases_) {
    if (record.lease.owner.Binary() != request.owner_id()) continue;
    // The owner does not know this one: the grant was lost with the old connection, or its return
    // was. No task runs on its worker.
    if (!kept.contains(std::string(id.Binary()))) over.push_back(id);
    record.lease.peer = &peer;
    record.orphan.reset();
    // What was told over the old connection may not have arrived.
    record.told = Told::kNothing;
  }
  for (const LeaseId& id : over) End(id, Worker::kGoesOn);
  on_freed_();
}

void GrantedLeases::SetBlocked(const WorkerId& worker, bool blocked) {
  const auto it = by_worker_.find(worker);
  if (it == by_worker_.end()) return;
  Record& record = leases_.at(it->second);
  if (record.is_blocked == blocked) return;
  record.is_blocked = blocked;
  if (blocked) {
    deps_.scheduler.LendFromBlocked(Lendable(record.lease.resources));
  } else {
    // It runs at once and does not wait for its CPU. The node is overbooked until the other lease
    // ends, which is better than a task that holds memory and cannot go on.
    deps_.scheduler.RestoreToUnblocked(Lendable(record.lease.resources));
  }
  on_freed_();
}

void GrantedLeases::OnProcessEnded(const WorkerId& process) {
  if (const auto it = by_worker_.find(process); it != by_worker_.end()) {
    End(it->second, Worker::kEnded);
  }
  EndAll([&](const GrantedLease& lease) { return lease.owner == process; });
}

void GrantedLeases::OnNodeDied(const NodeId& node) {
  EndAll([&](const GrantedLease& lease) { return lease.owner_node == node; });
}

void GrantedLeases::EndJob(const JobId& job) {
  EndAll([&](const GrantedLease& lease) { return lease.job == job; });
}

void GrantedLeases::OnPeerClosed(rpc::Peer& peer) {
  for (auto& [id, record] : leases_) {
    if (record.lease.peer != &peer) continue;
    // An owner that cannot be reached may still be alive and use its worker, so the lease goes on
    // for a while. If the owner is dead, the GCS or its raylet will say so sooner.
    record.lease.peer = nullptr;
    record.orphan = std::make_unique<Timer>(deps_.loop);
    record.orphan->Set(config_.lease_orphan_grace, [this, id = id] {
      deps_.log.Info("lease", "orphaned", "lease={} worker={}", id.Short(),
                     leases_.at(id).lease.worker.Short());
      EndAndKill(id);
    });
  }
}

bool GrantedLeases::Reclaim(const std::set<WorkerId>& waiting) {
  bool is_any_young = false;
  std::vector<std::pair<rpc::Peer*, protocol::ReclaimLeasesRequest>> by_peer;
  for (auto& [id, record] : leases_) {
    const GrantedLease& lease = record.lease;
    // An owner that is away cannot be told. A blocked worker has lent its CPU already.
    if (lease.peer == nullptr || record.is_blocked) continue;
    // An owner need not share with itself: if only its own requests wait, it is told to return what
    // is idle. If others wait, it may use a lease up to its share and must then return it.
    const bool only_holder_waits = waiting.size() == 1 && waiting.contains(lease.owner);
    const bool is_young = deps_.loop.Now() - lease.granted < config_.lease_share;
    is_any_young |= is_young && !only_holder_waits;
    const Told tell = only_holder_waits || is_young ? Told::kIfIdle : Told::kReclaimed;
    if (tell <= record.told) continue;
    record.told = tell;
    auto it = std::ranges::find(by_peer, lease.peer, [](const auto& entry) { return entry.first; });
    if (it == by_peer.end()) it = by_peer.insert(it, {lease.peer, {}});
    (tell == Told::kIfIdle ? it->second.add_if_idle_ids() : it->second.add_lease_ids())
        ->assign(id.Binary());
  }
  for (auto& [peer, request] : by_peer) peer->Notify(protocol::kReclaimLeases, request);
  return is_any_young;
}

void GrantedLeases::CheckInvariants() const {
  Check(by_worker_.size() == leases_.size(), "one worker serves one lease");
}

}  // namespace mobula::raylet
