// \edge: takes messages apart and calls what the chapter explains
#include "components/raylet/raylet.h"

#include "components/protocol/convert.h"
#include "components/protocol/gcs_convert.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::raylet {

Raylet::Raylet(Deps deps, RayletConfig config)
    : host_(std::move(deps.host)),
      network_(deps.network),
      parts_(deps.parts),
      on_must_exit_(std::move(deps.on_must_exit)),
      config_(std::move(config)),
      pool_({host_.loop, parts_.launcher, host_.files, host_.log, host_.metrics,
             host_.random.Fork("workers")},
            config_, [this](const protocol::WorkerDeath& death) { OnProcessEnded(death); }),
      leases_(
          {host_.loop, parts_.scheduler, pool_, host_.log, host_.metrics,
           host_.random.Fork("leases")},
          config_,
          {.prepare_job = [this](const protocol::RequestLeaseRequest& request, bool for_spill,
                                 auto done) { PrepareJob(request, for_spill, std::move(done)); },
           .endpoint_of = [this](const NodeId& node) { return membership_.EndpointOf(node); },
           .on_change = [this] { membership_.ReportSoon(); }}),
      programs_({host_.files, network_.gcs, host_.log}, config_.program_folder),
      membership_({host_.loop, network_.gcs, network_.peers, host_.log}, MembershipHooks()),
      objects_({host_.loop, parts_.store, network_.peers, host_.random,
                [this](const std::string& endpoint) { return membership_.IsMember(endpoint); }},
               config_),
      server_(host_.loop, services_) {
  AddHandlers();
  objects_.Bind(services_);
  server_.OnPeer([](rpc::Peer&) {}, [this](rpc::Peer& peer, const Error&) { OnPeerClosed(peer); });
}

Membership::Hooks Raylet::MembershipHooks() {
  return {.fill_report = [this](protocol::NodeInfo& report) { FillReport(report); },
          .on_node = [this](const protocol::NodeInfo& node) { OnNode(node); },
          .on_node_died = [this](const NodeId& node,
                                 const std::string& reason) { OnNodeDied(node, reason); },
          .on_owner_died = [this](const protocol::WorkerDeath& death) { OnOwnerDied(death); },
          .on_job_ended = [this](const JobId& job) { EndJob(job); },
          .on_must_exit = [this](const Error& why) { on_must_exit_(why); }};
}

Raylet::~Raylet() { Stop(); }

void Raylet::Start(Done<void> joined) {
  // It listens before anybody knows it, so whoever learns its address can connect at once. A
  // process that comes before it has joined is told to ask again.
  if (Result<void> listening = Listen(); !listening) return joined(std::move(listening));
  membership_.Join(Describe(), std::move(joined));
}

Result<void> Raylet::Listen() {
  Result<std::string> local = server_.Listen(network_.local, config_.local_listen_endpoint);
  if (!local) return Fail(std::move(local.error()));
  config_.local_listen_endpoint = *local;
  Result<std::string> remote = server_.Listen(network_.cluster, config_.listen_endpoint);
  if (!remote) return Fail(std::move(remote.error()));
  endpoint_ = *remote;
  objects_.SetOwnEndpoint(endpoint_);
  return {};
}

// What the others will know of this node. All that may change later is in `FillReport`.
protocol::NodeInfo Raylet::Describe() const {
  protocol::NodeInfo info;
  info.set_node_id(std::string(config_.node_id.Binary()));
  info.set_state(protocol::ALIVE);
  info.set_endpoint(endpoint_);
  info.set_local_endpoint(config_.local_listen_endpoint);
  info.set_host_name(config_.host_name);
  info.set_process_settings(config_.process_settings);
  info.set_pid(config_.pid);
  info.set_is_head(config_.is_head);
  *info.mutable_total() = protocol::ToProto(config_.resources);
  *info.mutable_available() = protocol::ToProto(config_.resources);
  for (const auto& [name, value] : config_.labels) (*info.mutable_labels())[name] = value;
  info.set_object_store_capacity_bytes(parts_.store.Usage().capacity_bytes);
  info.set_start_time_ms(protocol::Milliseconds(host_.loop.clock().WallNow()));
  return info;
}

// Schedulers of other nodes decide by what is free here; `mobula status` shows the rest.
void Raylet::FillReport(protocol::NodeInfo& report) const {
  *report.mutable_available() = protocol::ToProto(parts_.scheduler.Local().available);
  report.set_object_store_used_bytes(parts_.store.Usage().used_bytes);
  report.set_worker_count(static_cast<std::uint32_t>(pool_.worker_count()));
  report.clear_counters();
  for (const auto& [name, value] : host_.metrics.values()) {
    (*report.mutable_counters())[name] = value;
  }
  report.clear_demands();
  for (protocol::Demand& demand : leases_.Demands()) *report.add_demands() = std::move(demand);
}

// Another node has joined, or has more or less to offer than before. Requests that found no place
// may have one now, so the scheduler is asked again.
void Raylet::OnNode(const protocol::NodeInfo& node) {
  scheduler::NodeView view;
  view.id = protocol::IdOf(node);
  view.total = protocol::FromProto(node.total());
  view.available = protocol::FromProto(node.available());
  view.labels = protocol::LabelsOf(node);
  view.draining = node.state() == protocol::DRAINING;
  view.version = node.version();
  view.object_bytes = node.object_store_used_bytes();
  view.object_bytes_capacity = node.object_store_capacity_bytes();
  parts_.scheduler.UpdateNode(std::move(view));
  leases_.Step();
}

// With the node every process on it died. Objects and leases here that belonged to one of them are
// given up, and our own processes are told, because they may wait for an answer from there. All of
// this also holds for a node that joined and died while the GCS was away: its processes may have
// reached us without it.
void Raylet::OnNodeDied(const NodeId& node, const std::string& reason) {
  objects_.owners().OnNodeDied(node, reason);
  parts_.scheduler.RemoveNode(node);
  leases_.granted().OnNodeDied(node);
  protocol::NodeDiedRequest notice;
  notice.set_node_id(std::string(node.Binary()));
  notice.set_reason(reason);
  pool_.ForEachPeer([&](rpc::Peer& peer) { peer.Notify(protocol::kNodeDied, notice); });
  leases_.Step();
}

// A job needs its program before its first worker can start here. The raylet beside the driver has
// it; others fetch it, and can only do so once that raylet has shared it. Hence the first line: a
// request that is sent on to another node waits until its program can be fetched there.
void Raylet::PrepareJob(const protocol::RequestLeaseRequest& request, bool for_spill,
                        Done<void> done) {
  if (for_spill) return programs_.EnsureShared(request.program().hash(), std::move(done));
  const JobId job = JobId::FromBinaryOrNil(request.job_id());
  if (pool_.HasJob(job)) return done({});
  programs_.EnsureLocal(request.program(),
                        alive_.Bind([this, job, program = request.program(),
                                     done = std::move(done)](Result<std::string> path) mutable {
                          if (!path) return done(Fail(std::move(path.error())));
                          program.set_path(*path);
                          pool_.AddJob(job, program);
                          done({});
                        }));
}

// A worker or driver of this node has ended. This raylet is the one that knows it for certain, so
// its report to the GCS is what the rest of the cluster believes.
void Raylet::OnProcessEnded(const protocol::WorkerDeath& death) {
  OnOwnerDied(death);
  network_.gcs.ReportWorkerDeath(death);
  if (death.is_driver()) {
    const JobId job = JobId::FromBinaryOrNil(death.job_id());
    // The GCS keeps the first end that it is told. If this one counts, the driver never said how
    // its job ended.
    network_.gcs.FinishJob(job, "FAILED", "the driver was killed, crashed or lost its connection",
                           [](auto) {});
    EndJob(job);
  }
  membership_.ReportSoon();
}

// A process somewhere in the cluster has died. Nobody waits any more for what its leases run here,
// and nobody will ever free the objects that it owned.
void Raylet::OnOwnerDied(const protocol::WorkerDeath& death) {
  const WorkerId owner = WorkerId::FromBinaryOrNil(death.worker_id());
  leases_.granted().OnProcessEnded(owner);
  objects_.owners().OnOwnerDied(owner, death.cause());
}

void Raylet::EndJob(const JobId& job) {
  leases_.EndJob(job);
  pool_.EndJob(job);
}

// A lost connection says nothing certain about the process behind it, so each part decides for
// itself: the store drops what was half written, a holder of leases gets time to come back, and the
// pool looks whether its worker has ended.
void Raylet::OnPeerClosed(rpc::Peer& peer) {
  objects_.OnPeerClosed(peer);
  leases_.OnPeerClosed(peer);
  pool_.OnPeerClosed(peer);
}

void Raylet::Leave(std::string reason, std::move_only_function<void()> done) {
  membership_.Leave(std::move(reason), std::move(done));
}

// News stop first, so that nothing begins again while the workers end; the connections go last.
void Raylet::Stop() {
  alive_.End();
  membership_.Stop();
  programs_.Stop();
  pool_.Stop();
  objects_.Stop();
  server_.Stop();
}

Raylet::Census Raylet::Count() const {
  return {.workers = pool_.worker_count(),
          .idle_workers = pool_.idle_count(),
          .leases = leases_.granted().size(),
          .queued = leases_.pending_count(),
          .drivers = pool_.driver_count()};
}

void Raylet::CheckInvariants() const {
  leases_.CheckInvariants();
  parts_.store.CheckInvariants();
}

}  // namespace mobula::raylet
