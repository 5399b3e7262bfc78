// \edge: takes messages apart and calls what the chapter explains
#include "components/raylet/raylet.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/protocol/convert.h"
#include "components/protocol/gcs_convert.h"
#include "components/protocol/owner_methods.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::raylet {

using protocol::Address;

namespace {

constexpr Duration kReportDelay = std::chrono::milliseconds(20);  // many changes, one heartbeat
constexpr Duration kReportEvictedMax = std::chrono::seconds(10);
constexpr Duration kLeaveMax = std::chrono::seconds(1);

}  // namespace

Raylet::Raylet(Deps deps, RayletConfig config)
    : deps_(std::move(deps)),
      config_(std::move(config)),
      pool_({deps_.host.loop, deps_.parts.launcher, deps_.host.files, deps_.host.log,
             deps_.host.metrics, deps_.host.random.Fork("workers")},
            config_, [this](const protocol::WorkerDeath& death) { OnProcessEnded(death); }),
      leases_(
          {deps_.host.loop, deps_.parts.scheduler, pool_, deps_.host.log, deps_.host.metrics,
           deps_.host.random.Fork("leases")},
          config_,
          {.prepare_job = [this](const protocol::RequestLeaseRequest& request, bool for_spill,
                                 auto done) { PrepareJob(request, for_spill, std::move(done)); },
           .endpoint_of = [this](const NodeId& node) { return EndpointOf(node); },
           .on_change = [this] { ReportSoon(); }}),
      programs_({deps_.host.files, deps_.network.gcs, deps_.host.log}, config_.program_folder),
      creates_(deps_.host.loop, deps_.parts.store, config_.creates),
      pulls_({deps_.host.loop, deps_.parts.store, creates_, deps_.network.peers,
              deps_.host.random.Fork("pulls")},
             config_.pulls),
      store_service_({deps_.host.loop, deps_.parts.store, creates_, &pulls_}),
      transfer_service_({deps_.host.loop, deps_.parts.store}),
      owners_(
          deps_.host.loop, [this](const ObjectId& id) { store_service_.Delete(std::span(&id, 1)); },
          [this](const protocol::Address& owner, protocol::ReportCopiesRequest report) {
            ReportEvicted(owner, std::move(report));
          }),
      server_(deps_.host.loop, services_),
      heartbeat_timer_(deps_.host.loop),
      report_timer_(deps_.host.loop) {
  AddHandlers();
  store_service_.Bind(services_);
  store_service_.OnSealed(
      [this](const rpc::Peer& peer, const ObjectId& object) { owners_.OnSealed(peer, object); });
  store_service_.OnPulled([this](const ObjectId& object, const std::string& owner) {
    owners_.OnPulled(object, owner);
  });
  deps_.parts.store.OnEvicted([this](const ObjectId& object) { owners_.OnEvicted(object); });
  transfer_service_.Bind(services_);
  pulls_.SetIsMember([this](const std::string& source) {
    return std::ranges::any_of(endpoints_, [&](const auto& node) { return node.second == source; });
  });
  server_.OnPeer([](rpc::Peer&) {}, [this](rpc::Peer& peer, const Error&) { OnPeerClosed(peer); });
}

Raylet::~Raylet() {
  Stop();
  deps_.parts.store.OnEvicted(nullptr);  // the store may outlive us
}

void Raylet::Start(Done<void> joined) {
  Result<std::string> local = server_.Listen(deps_.network.local, config_.local_listen_endpoint);
  if (!local) return joined(Fail(std::move(local.error())));
  config_.local_listen_endpoint = *local;
  Result<std::string> remote = server_.Listen(deps_.network.cluster, config_.listen_endpoint);
  if (!remote) return joined(Fail(std::move(remote.error())));
  endpoint_ = *remote;
  pulls_.SetOwnEndpoint(endpoint_);

  info_.set_node_id(std::string(config_.node_id.Binary()));
  info_.set_state(protocol::ALIVE);
  info_.set_endpoint(endpoint_);
  info_.set_local_endpoint(config_.local_listen_endpoint);
  info_.set_host_name(config_.host_name);
  info_.set_process_settings(config_.process_settings);
  info_.set_pid(config_.pid);
  info_.set_is_head(config_.is_head);
  *info_.mutable_total() = protocol::ToProto(config_.resources);
  *info_.mutable_available() = protocol::ToProto(config_.resources);
  for (const auto& [name, value] : config_.labels) (*info_.mutable_labels())[name] = value;
  info_.set_object_store_capacity_bytes(deps_.parts.store.Usage().capacity_bytes);
  info_.set_start_time_ms(protocol::Milliseconds(deps_.host.loop.clock().WallNow()));
  deps_.network.gcs.OnLost(alive_.Bind([this](const Error& why) {
    deps_.host.log.Error("node", "head_lost", "reason=\"{}\"", why.message());
  }));
  deps_.network.gcs.OnGone(alive_.Bind(
      [this](const Error& why) { on_must_exit_(Error(why).Context("the head is lost")); }));
  deps_.network.gcs.RegisterNode(
      info_,
      alive_.Bind(
          [this, joined = std::move(joined)](Result<protocol::RegisterNodeReply> reply) mutable {
            if (!reply) {
              return joined(Fail(std::move(reply.error()).Context("joining the cluster")));
            }
            OnRegistered(*reply);
            joined({});
          }),
      alive_.Bind([this] {
        on_must_exit_(
            Error(ErrorCode::kNodeDied, "the head has declared this node dead; it must not act"));
      }));
}

void Raylet::OnRegistered(const protocol::RegisterNodeReply& reply) {
  cluster_id_ = reply.cluster_id();
  heartbeat_period_ = std::chrono::milliseconds(reply.heartbeat_period_ms());
  heartbeat_timer_.Set(heartbeat_period_, [this] { Heartbeat(); });
  deps_.network.gcs.Subscribe(
      {protocol::NODES, protocol::WORKERS, protocol::JOBS},
      {.on_node = alive_.Bind([this](const protocol::NodeInfo& n) { OnNode(n); }),
       .on_worker_death =
           alive_.Bind([this](const protocol::WorkerDeath& death) { OnOwnerDied(death); }),
       .on_job = alive_.Bind([this](const protocol::JobInfo& job) {
         if (job.state() != "RUNNING") EndJob(protocol::IdOf(job));
       })},
      [](Result<protocol::SubscribeReply>) {});
  deps_.host.log.Info("node", "joined", "node={} endpoint={} resources={}", config_.node_id.Short(),
                      endpoint_, config_.resources.ToString());
}

void Raylet::Heartbeat() {
  deps_.network.gcs.Heartbeat(nullptr);
  heartbeat_timer_.Set(heartbeat_period_, [this] { Heartbeat(); });
}

void Raylet::ReportSoon() {
  if (stopped_ || cluster_id_.empty() || report_timer_.IsSet()) return;
  report_timer_.Set(kReportDelay, [this] {
    const scheduler::NodeView& local = deps_.parts.scheduler.Local();
    *info_.mutable_available() = protocol::ToProto(local.available);
    info_.set_object_store_used_bytes(deps_.parts.store.Usage().used_bytes);
    info_.set_worker_count(static_cast<std::uint32_t>(pool_.worker_count()));
    info_.clear_counters();
    for (const auto& [name, value] : deps_.host.metrics.values())
      (*info_.mutable_counters())[name] = value;
    info_.clear_demands();
    for (protocol::Demand& demand : leases_.Demands()) *info_.add_demands() = std::move(demand);
    info_.set_version(info_.version() + 1);
    deps_.network.gcs.Heartbeat(&info_);
  });
}

void Raylet::OnNode(const protocol::NodeInfo& node) {
  const NodeId id = protocol::IdOf(node);
  if (id == config_.node_id) return;
  if (!protocol::IsAlive(node)) return OnNodeDied(id, node.death_reason());
  endpoints_[id] = node.endpoint();
  scheduler::NodeView view;
  view.id = id;
  view.total = protocol::FromProto(node.total());
  view.available = protocol::FromProto(node.available());
  view.labels = protocol::LabelsOf(node);
  view.draining = node.state() == protocol::DRAINING;
  view.version = node.version();
  view.object_bytes = node.object_store_used_bytes();
  view.object_bytes_capacity = node.object_store_capacity_bytes();
  deps_.parts.scheduler.UpdateNode(std::move(view));
  leases_.Step();
}

void Raylet::OnNodeDied(const NodeId& node, const std::string& reason) {
  owners_.OnNodeDied(node, reason);
  const auto it = endpoints_.find(node);
  if (it == endpoints_.end()) return;
  deps_.host.log.Info("node", "died", "node={} reason=\"{}\"", node.Short(), reason);
  deps_.network.peers.Drop(it->second);
  endpoints_.erase(it);
  deps_.parts.scheduler.RemoveNode(node);
  leases_.granted().OnNodeDied(node);
  protocol::NodeDiedRequest notice;
  notice.set_node_id(std::string(node.Binary()));
  notice.set_reason(reason);
  pool_.ForEachPeer([&](rpc::Peer& peer) { peer.Notify(protocol::kNodeDied, notice); });
  leases_.Step();
}

void Raylet::ReportEvicted(const protocol::Address& owner,
                           protocol::ReportCopiesRequest report) const {
  report.mutable_node()->set_node_id(std::string(config_.node_id.Binary()));
  report.mutable_node()->set_raylet_endpoint(endpoint_);
  // A call and not a notification, which would be dropped before there is a connection.
  deps_.network.peers.Get(protocol::EndpointFor(owner, config_.node_id.Binary()))
      ->Call(protocol::kReportCopies, report, [](const Result<protocol::Ack>&) {},
             {.timeout = kReportEvictedMax});
}

std::string Raylet::EndpointOf(const NodeId& node) const {
  const auto it = endpoints_.find(node);
  return it == endpoints_.end() ? std::string() : it->second;
}

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

void Raylet::OnProcessEnded(const protocol::WorkerDeath& death) {
  OnOwnerDied(death);
  deps_.network.gcs.ReportWorkerDeath(death);
  if (death.is_driver()) {
    const JobId job = JobId::FromBinaryOrNil(death.job_id());
    // The first end counts: this one is of a driver that did not say how it ends.
    deps_.network.gcs.FinishJob(
        job, "FAILED", "the driver was killed, crashed or lost its connection", [](auto) {});
    EndJob(job);
  }
  ReportSoon();
}

void Raylet::OnOwnerDied(const protocol::WorkerDeath& death) {
  const WorkerId owner = WorkerId::FromBinaryOrNil(death.worker_id());
  leases_.granted().OnProcessEnded(owner);
  owners_.OnOwnerDied(owner, death.cause());
}

void Raylet::EndJob(const JobId& job) {
  leases_.EndJob(job);
  pool_.EndJob(job);
}

void Raylet::OnPeerClosed(rpc::Peer& peer) {
  store_service_.OnPeerClosed(peer);
  owners_.OnPeerClosed(peer);
  leases_.OnPeerClosed(peer);
  pool_.OnPeerClosed(peer);
}

void Raylet::Leave(std::string reason, std::move_only_function<void()> done) {
  auto once = std::make_shared<std::move_only_function<void()>>(std::move(done));
  auto finish = alive_.Bind([this, once] {
    report_timer_.Cancel();
    if (*once) std::exchange(*once, nullptr)();
  });
  deps_.network.gcs.LeaveNode(std::move(reason),
                              [finish](Result<protocol::LeaveNodeReply>) { finish(); });
  report_timer_.Set(kLeaveMax, finish);
}

void Raylet::Stop() {
  if (std::exchange(stopped_, true)) return;
  alive_.End();
  heartbeat_timer_.Cancel();
  report_timer_.Cancel();
  programs_.Stop();
  pool_.Stop();
  pulls_.Stop();
  store_service_.Stop();
  server_.Stop();
}

void Raylet::OnMustExit(std::function<void(const Error&)> callback) {
  on_must_exit_ = std::move(callback);
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
  deps_.parts.store.CheckInvariants();
}

}  // namespace mobula::raylet
