// The raylet of the simulated cluster: owners take turns, and are told when others wait.

#include <algorithm>

#include "components/base/check.h"
#include "components/base/resources.h"
#include "components/protocol/raylet_methods.h"
#include "tests/components/core_worker/sim_cluster.h"

namespace mobula::core_worker::sim {

Node::Node(Cluster& the_cluster, std::string name, double cpus, std::uint64_t capacity)
    : cluster(the_cluster),
      endpoint("inproc://" + name),
      id(cluster.random.NewId<NodeId>()),
      capacity_bytes(capacity),
      total_units_(Amount::FromDouble(cpus).units()),
      free_units_(total_units_) {
  AddHandlers();
  server_ = std::make_unique<rpc::Server>(cluster.loop, services_);
  server_->OnPeer({}, [this](rpc::Peer& peer, const Error&) {
    const auto gone =
        std::ranges::find_if(peers_, [&](const auto& entry) { return entry.second == &peer; });
    if (gone == peers_.end()) return;
    const std::string process = gone->first;
    peers_.erase(gone);
    EndLeasesOf(process);
  });
  Check(server_->Listen(*cluster.transport, endpoint).has_value(), "a node can listen");
}

void Node::AddHandlers() {
  using namespace protocol;  // NOLINT(google-build-using-namespace): the raylet's own words
  using rpc::CallContext;
  using rpc::Respond;
  services_.Handle(kRegisterWorker, [this](const RegisterWorkerRequest& request, CallContext call,
                                           Respond<RegisterWorkerReply> respond) {
    respond(OnRegister(request, *call.peer));
  });
  services_.Handle(kKeepLeases, [this](const KeepLeasesRequest& request, CallContext,
                                       Respond<NoReply>) { keeps_seen.push_back(request); });
  services_.Handle(kRequestLease, [this](const RequestLeaseRequest& request, CallContext call,
                                         Respond<RequestLeaseReply> respond) {
    requests_seen.push_back(request);
    last_asker = call.peer;
    if (auto reply = script ? script(request) : std::nullopt) {
      respond(*reply);
      return;
    }
    const auto cpu = request.resources().units().find("CPU");
    if (cpu != request.resources().units().end() && cpu->second > total_units_) {
      RequestLeaseReply reply;
      reply.mutable_infeasible()->set_reason(
          fmt::format("no node has {} CPU", Amount::FromUnits(cpu->second).ToString()));
      respond(reply);
      return;
    }
    queue_.push_back({request, std::move(respond)});
    GrantWaiting();
    if (!queue_.empty()) Reclaim();
  });
  services_.HandleNotification(kCancelLease, [this](const CancelLeaseRequest& request, rpc::Peer&) {
    std::erase_if(queue_, [&](const Waiting& waiting) {
      return waiting.request.request_id() == request.request_id();
    });
  });
  services_.Handle(kReturnLease,
                   [this](const ReturnLeaseRequest& request, CallContext, Respond<Ack> respond) {
                     EndLease(request.lease_id());
                     respond(Ack());
                     GrantWaiting();
                   });
  services_.Handle(kEndLostWorker, [this](const EndLostWorkerRequest& request, CallContext,
                                          Respond<EndLostWorkerReply> respond) {
    EndLease(request.lease_id());
    const auto death = deaths_.find(request.worker_id());
    respond(death != deaths_.end() ? death->second : EndLostWorkerReply());
    GrantWaiting();
  });
  AddObjectHandlers();
}

void Node::AddObjectHandlers() {
  using namespace protocol;  // NOLINT(google-build-using-namespace): the raylet's own words
  using rpc::CallContext;
  using rpc::Respond;
  services_.Handle(kDescribeDeath, [this](const DescribeDeathRequest& request, CallContext,
                                          Respond<DescribeDeathReply> respond) {
    DescribeDeathReply reply;
    reply.set_cause(cluster.CauseOfDeath(request.worker_id()));
    respond(reply);
  });
  services_.HandleNotification(kSetBlocked,
                               [this](const SetBlockedRequest& request, rpc::Peer& peer) {
                                 if (request.blocked()) ++blocked_seen;
                                 SetBlocked(&peer, request.blocked());
                               });
  services_.Handle(kAdoptObjects, [](const AdoptObjectsRequest&, CallContext, Respond<NoReply>) {});
  services_.Handle(kFreeObjects,
                   [this](const FreeObjectsRequest& request, CallContext, Respond<Ack> respond) {
                     respond(Ack());
                     for (const std::string& object : request.ids()) {
                       objects.erase(ObjectId(ObjectId::FromBinaryOrNil(object)));
                     }
                   });
}

protocol::RegisterWorkerReply Node::OnRegister(const protocol::RegisterWorkerRequest& request,
                                               rpc::Peer& peer) {
  peers_[request.address().worker_id()] = &peer;
  protocol::RegisterWorkerReply reply;
  reply.set_node_id(std::string(id.Binary()));
  reply.set_raylet_endpoint(endpoint);
  reply.set_inline_bytes_max(cluster.config.inline_bytes_max);
  return reply;
}

void Node::GrantWaiting() {
  std::erase_if(queue_, [](const Waiting& one) { return one.respond.IsAbandoned(); });
  while (!queue_.empty()) {
    const auto turn = [this](const Waiting& one) -> std::uint64_t& {
      return turns_[one.request.owner().worker_id()];
    };
    const auto next = std::ranges::min_element(queue_, {}, turn);
    Waiting& waiting = *next;
    const auto cpu = waiting.request.resources().units().find("CPU");
    const std::int64_t units = cpu == waiting.request.resources().units().end() ? 0 : cpu->second;
    if (units > free_units_) return;
    if (idle_.empty()) {
      auto worker = std::make_unique<Process>(cluster, *this, false);
      idle_.push_back(worker->worker_id());
      workers.emplace(worker->worker_id(), std::move(worker));
    }
    const std::string worker = idle_.back();
    idle_.pop_back();
    free_units_ -= units;
    const std::string lease(cluster.random.NewId<LeaseId>().Binary());
    leases_[lease] = {worker, waiting.request.owner().worker_id(), units};
    protocol::RequestLeaseReply reply;
    reply.mutable_grant()->set_lease_id(lease);
    *reply.mutable_grant()->mutable_worker() = workers.at(worker)->address();
    reply.mutable_grant()->mutable_worker()->set_node_id(std::string(id.Binary()));
    waiting.respond(reply);
    turn(waiting) = ++cluster.made;
    queue_.erase(next);
  }
}

std::vector<std::string> Node::lease_ids() const {
  std::vector<std::string> ids;
  for (const auto& [id, lease] : leases_) ids.push_back(id);
  return ids;
}

void Node::EndLease(const std::string& lease_id) {
  const auto lease = leases_.extract(lease_id);
  if (lease.empty()) return;
  if (!lease.mapped().is_blocked) free_units_ += lease.mapped().units;
  if (workers.contains(lease.mapped().worker_id)) idle_.push_back(lease.mapped().worker_id);
}

void Node::SetBlocked(rpc::Peer* peer, bool blocked) {
  for (auto& [lease, leased] : leases_) {
    const auto found = peers_.find(leased.worker_id);
    if (found == peers_.end() || found->second != peer || leased.is_blocked == blocked) continue;
    leased.is_blocked = blocked;
    free_units_ += blocked ? leased.units : -leased.units;
  }
  GrantWaiting();
}

void Node::EndLeasesOf(const std::string& owner) {
  std::vector<std::string> over;
  for (const auto& [lease, leased] : leases_) {
    if (leased.owner == owner) over.push_back(lease);
  }
  for (const std::string& lease : over) EndLease(lease);
  GrantWaiting();
}

void Node::Reclaim() {
  protocol::ReclaimLeasesRequest reclaim;
  for (const auto& [lease, leased] : leases_) {
    const bool others_wait = std::ranges::any_of(queue_, [&](const Waiting& waiting) {
      return waiting.request.owner().worker_id() != leased.owner;
    });
    *(others_wait ? reclaim.add_lease_ids() : reclaim.add_if_idle_ids()) = lease;
  }
  for (const auto& [worker, peer] : peers_) peer->Notify(protocol::kReclaimLeases, reclaim);
}

void Node::Kill(Process& process, std::string cause, std::string log_tail) {
  const std::string worker = process.worker_id();
  protocol::EndLostWorkerReply& death = deaths_[worker];
  death.set_cause(std::move(cause));
  death.set_pid(process.address().pid());
  death.set_log_tail(std::move(log_tail));
  std::erase(idle_, worker);
  workers.erase(worker);
}

Process* Node::FindWorker(const std::function<bool(const Process&)>& wanted) {
  for (const auto& [worker, process] : workers) {
    if (wanted(*process)) return process.get();
  }
  return nullptr;
}

}  // namespace mobula::core_worker::sim
