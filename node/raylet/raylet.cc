#include "node/raylet/raylet.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/core_worker/methods.h"
#include "components/gcs/convert.h"
#include "node/raylet/raylet_impl.h"

namespace mobula::node {

using core_worker::Address;
using Impl = Raylet::Impl;

namespace {

constexpr Duration kReportDelay = std::chrono::milliseconds(20);  // many changes, one heartbeat
constexpr Duration kLeaveMax = std::chrono::seconds(1);

}  // namespace

Impl::Impl(const Deps& the_deps, RayletConfig the_config)
    : deps(the_deps),
      config(std::move(the_config)),
      pool({deps.loop, deps.launcher, deps.files, deps.log, deps.random.Fork("workers")}, config,
           {.on_death = [this](const gcs::WorkerDeath& death) { OnProcessEnded(death); }}),
      leases({deps.loop, deps.scheduler, pool, deps.log, deps.random.Fork("leases")}, config,
             {.prepare_job = [this](const core_worker::RequestLeaseRequest& request, bool for_spill,
                                    auto done) { PrepareJob(request, for_spill, std::move(done)); },
              .endpoint_of = [this](const NodeId& node) { return EndpointOf(node); },
              .on_change = [this] { ReportSoon(); }}),
      programs({deps.files, deps.gcs, deps.log}, config.program_folder),
      creates(deps.loop, deps.store, config.creates),
      pulls({deps.loop, deps.store, creates, deps.peers, deps.random.Fork("pulls")}, config.pulls),
      store_service({deps.loop, deps.store, creates, &pulls}),
      transfer_service({deps.loop, deps.store}),
      owners([this](const ObjectId& id) { store_service.Delete(std::span(&id, 1)); }),
      server(deps.loop, services),
      heartbeat_timer(deps.loop),
      report_timer(deps.loop) {
  AddHandlers();
  store_service.Bind(services);
  store_service.OnSealed(
      [this](const rpc::Peer& peer, const ObjectId& object) { owners.OnSealed(peer, object); });
  transfer_service.Bind(services);
  pulls.SetIsMember([this](const std::string& source) {
    return std::ranges::any_of(endpoints, [&](const auto& node) { return node.second == source; });
  });
  server.OnPeer([](rpc::Peer&) {}, [this](rpc::Peer& peer, const Error&) { OnPeerClosed(peer); });
}

void Impl::Start(std::move_only_function<void(Result<std::string>)> done) {
  Result<std::string> local = server.Listen(deps.local_transport, config.local_listen_endpoint);
  if (!local) return done(Fail(std::move(local.error())));
  config.local_listen_endpoint = *local;
  Result<std::string> remote = server.Listen(deps.transport, config.listen_endpoint);
  if (!remote) return done(Fail(std::move(remote.error())));
  endpoint = *remote;
  pulls.SetOwnEndpoint(endpoint);

  info.set_node_id(std::string(config.node_id.Binary()));
  info.set_state(gcs::ALIVE);
  info.set_endpoint(endpoint);
  info.set_local_endpoint(config.local_listen_endpoint);
  info.set_host_name(config.host_name);
  info.set_pid(config.pid);
  info.set_is_head(config.is_head);
  *info.mutable_total() = gcs::ToProto(config.resources);
  *info.mutable_available() = gcs::ToProto(config.resources);
  for (const auto& [name, value] : config.labels) (*info.mutable_labels())[name] = value;
  info.set_object_store_capacity_bytes(deps.store.Usage().capacity_bytes);
  info.set_start_time_ms(
      std::chrono::duration_cast<std::chrono::milliseconds>(deps.loop.clock().WallNow()).count());
  deps.gcs.OnLost(alive.Bind([this](const Error& why) {
    deps.log.Error("node", "head_lost", "reason=\"{}\"", why.message());
  }));
  deps.gcs.OnGone(
      alive.Bind([this](const Error& why) { MustExit(Error(why).Context("the head is lost")); }));
  deps.gcs.RegisterNode(
      info,
      alive.Bind([this, done = std::move(done)](Result<gcs::RegisterNodeReply> reply) mutable {
        if (!reply) return done(Fail(std::move(reply.error()).Context("joining the cluster")));
        OnRegistered(*reply);
        done(endpoint);
      }),
      alive.Bind([this] {
        MustExit(
            Error(ErrorCode::kNodeDied, "the head has declared this node dead; it must not act"));
      }));
}

void Impl::OnRegistered(const gcs::RegisterNodeReply& reply) {
  cluster_id = reply.cluster_id();
  heartbeat_period = std::chrono::milliseconds(reply.heartbeat_period_ms());
  heartbeat_timer.Set(heartbeat_period, [this] { Heartbeat(); });
  deps.gcs.Subscribe(
      {gcs::NODES, gcs::WORKERS, gcs::JOBS},
      {.on_node = alive.Bind([this](const gcs::NodeInfo& n) { OnNode(n); }),
       .on_worker_death = alive.Bind([this](const gcs::WorkerDeath& death) { OnOwnerDied(death); }),
       .on_job = alive.Bind([this](const gcs::JobInfo& job) {
         if (job.state() != "RUNNING") EndJob(gcs::IdOf(job));
       })},
      [](Result<gcs::SubscribeReply>) {});
  deps.log.Info("node", "joined", "node={} endpoint={} resources={}", config.node_id.Short(),
                endpoint, config.resources.ToString());
}

void Impl::Heartbeat() {
  deps.gcs.Heartbeat(nullptr);
  heartbeat_timer.Set(heartbeat_period, [this] { Heartbeat(); });
}

void Impl::ReportSoon() {
  if (stopped || cluster_id.empty() || report_timer.IsSet()) return;
  report_timer.Set(kReportDelay, [this] {
    const NodeView& local = deps.scheduler.Local();
    *info.mutable_available() = gcs::ToProto(local.available);
    info.set_object_store_used_bytes(deps.store.Usage().used_bytes);
    info.set_worker_count(static_cast<std::uint32_t>(pool.worker_count()));
    info.clear_demands();
    for (gcs::Demand& demand : leases.Demands()) *info.add_demands() = std::move(demand);
    info.set_version(info.version() + 1);
    deps.gcs.Heartbeat(&info);
  });
}

void Impl::OnNode(const gcs::NodeInfo& node) {
  const NodeId id = gcs::IdOf(node);
  if (id == config.node_id) return;
  if (!gcs::IsAlive(node)) return OnNodeDied(id, node.death_reason());
  endpoints[id] = node.endpoint();
  NodeView view;
  view.id = id;
  view.total = gcs::FromProto(node.total());
  view.available = gcs::FromProto(node.available());
  view.labels = gcs::LabelsOf(node);
  view.draining = node.state() == gcs::DRAINING;
  view.version = node.version();
  view.object_bytes = node.object_store_used_bytes();
  view.object_bytes_capacity = node.object_store_capacity_bytes();
  deps.scheduler.UpdateNode(std::move(view));
  leases.Step();
}

void Impl::OnNodeDied(const NodeId& node, const std::string& reason) {
  owners.OnNodeDied(node, reason);
  const auto it = endpoints.find(node);
  if (it == endpoints.end()) return;
  deps.log.Info("node", "died", "node={} reason=\"{}\"", node.Short(), reason);
  deps.peers.Drop(it->second);
  endpoints.erase(it);
  deps.scheduler.RemoveNode(node);
  leases.OnNodeDied(node);
  core_worker::NodeDiedRequest notice;
  notice.set_node_id(std::string(node.Binary()));
  notice.set_reason(reason);
  pool.ForEachPeer([&](rpc::Peer& peer) { peer.Notify(core_worker::kNodeDied, notice); });
  leases.Step();
}

std::string Impl::EndpointOf(const NodeId& node) const {
  const auto it = endpoints.find(node);
  return it == endpoints.end() ? std::string() : it->second;
}

void Impl::PrepareJob(const core_worker::RequestLeaseRequest& request, bool for_spill,
                      std::move_only_function<void(Result<void>)> done) {
  if (for_spill) return programs.EnsureShared(request.program().hash(), std::move(done));
  const JobId job = JobId::FromBinaryOrNil(request.job_id());
  if (pool.HasJob(job)) {
    done({});
    return;
  }
  programs.EnsureLocal(request.program(),
                       alive.Bind([this, job, program = request.program(),
                                   done = std::move(done)](Result<std::string> path) mutable {
                         if (!path) return done(Fail(std::move(path.error())));
                         program.set_path(*path);
                         pool.AddJob(job, program);
                         done({});
                       }));
}

void Impl::OnProcessEnded(const gcs::WorkerDeath& death) {
  OnOwnerDied(death);
  deps.gcs.ReportWorkerDeath(death);
  if (death.is_driver()) {
    const JobId job = JobId::FromBinaryOrNil(death.job_id());
    // The first end counts: this one is of a driver that did not say how it ends.
    deps.gcs.FinishJob(job, "FAILED", "the driver was killed, crashed or lost its connection",
                       [](auto) {});
    EndJob(job);
  }
  ReportSoon();
}

void Impl::OnOwnerDied(const gcs::WorkerDeath& death) {
  const WorkerId owner = WorkerId::FromBinaryOrNil(death.worker_id());
  leases.OnProcessEnded(owner);
  owners.OnOwnerDied(owner, death.cause());
}

void Impl::EndJob(const JobId& job) {
  leases.EndJob(job);
  pool.EndJob(job);
}

void Impl::OnPeerClosed(rpc::Peer& peer) {
  store_service.OnPeerClosed(peer);
  owners.OnPeerClosed(peer);
  leases.OnPeerClosed(peer);
  pool.OnPeerClosed(peer);
}

void Impl::MustExit(const Error& why) {
  if (must_exit) return;
  must_exit = why;
  deps.log.Error("node", "must_exit", "reason=\"{}\"", why.ToString());
  if (on_must_exit) on_must_exit(why);
}

void Impl::Leave(std::string reason, std::move_only_function<void()> done) {
  auto once = std::make_shared<std::move_only_function<void()>>(std::move(done));
  auto finish = alive.Bind([this, once] {
    report_timer.Cancel();
    if (*once) std::exchange(*once, nullptr)();
  });
  deps.gcs.LeaveNode(std::move(reason), [finish](Result<gcs::LeaveReply>) { finish(); });
  report_timer.Set(kLeaveMax, finish);
}

void Impl::Stop() {
  if (std::exchange(stopped, true)) return;
  alive.End();
  heartbeat_timer.Cancel();
  report_timer.Cancel();
  programs.Stop();
  pool.Stop();
  pulls.Stop();
  store_service.Stop();
  server.Stop();
}

Raylet::Raylet(Deps deps, RayletConfig config)
    : impl_(std::make_unique<Impl>(deps, std::move(config))) {}
Raylet::~Raylet() { impl_->Stop(); }
void Raylet::Start(std::move_only_function<void(Result<std::string>)> done) {
  impl_->Start(std::move(done));
}
void Raylet::Leave(std::string reason, std::move_only_function<void()> done) {
  impl_->Leave(std::move(reason), std::move(done));
}
void Raylet::OnMustExit(std::function<void(const Error&)> callback) {
  impl_->on_must_exit = std::move(callback);
  if (impl_->must_exit) impl_->on_must_exit(*impl_->must_exit);
}
void Raylet::Stop() { impl_->Stop(); }
const std::string& Raylet::local_endpoint() const { return impl_->config.local_listen_endpoint; }
Raylet::Census Raylet::Count() const {
  return {.workers = impl_->pool.worker_count(),
          .idle_workers = impl_->pool.idle_count(),
          .leases = impl_->leases.lease_count(),
          .queued = impl_->leases.queued_count(),
          .drivers = impl_->pool.driver_count()};
}
void Raylet::CheckInvariants() const {
  impl_->leases.CheckInvariants();
  impl_->deps.store.CheckInvariants();
}

}  // namespace mobula::node
