#include "components/gcs/server.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/base/config_value.h"
#include "components/gcs/server/impl.h"
#include "components/protocol/gcs_convert.h"
#include "components/protocol/gcs_methods.h"

namespace mobula::gcs {
namespace {

constexpr char kClusterKey[] = "cluster_id";
constexpr char kGenerationKey[] = "generation";  // how often a GCS has started on this storage

}  // namespace

Server::Impl::Impl(Deps deps, ServerConfig config)
    : deps_(deps),
      config_(config),
      nodes_(config_),
      jobs_(config_),
      deaths_(config_.worker_deaths_kept_max),
      key_value_(config_.value_bytes_max, config_.values_bytes_max),
      tables_({&nodes_, &jobs_, &deaths_, &key_value_}, config_.subscription_keys_max),
      pubsub_(config_.deltas_queued_max),
      rpc_(deps_.loop, services_),
      health_(deps_.loop),
      alive_nodes_(deps_.metrics.Counter("gcs_nodes_alive")),
      heartbeats_(deps_.metrics.Counter("gcs_heartbeats")),
      deltas_sent_(deps_.metrics.Counter("gcs_deltas_sent")) {
  HandleNodes();
  HandleWorkers();
  HandleJobs();
  HandleKeyValue();
  HandlePubSub();
  rpc_.OnPeer(alive_.Bind([this](rpc::Peer& peer) { OpenSession(peer); }),
              alive_.Bind([this](rpc::Peer& peer, const Error& reason) {
                CloseSession(SessionOf(peer), reason);
              }));
}

void Server::Impl::Start(Done<void> done) { tasks_.Spawn<void>(Load(), std::move(done)); }

Result<std::string> Server::Impl::Listen(transport::Transport& transport,
                                         std::string_view endpoint) {
  if (!started_) return Fail(ErrorCode::kUnavailable, "the GCS has not started");
  return rpc_.Listen(transport, endpoint);
}

void Server::Impl::Stop() {
  alive_.End();
  tasks_.Stop();
  health_.Cancel();
  rpc_.Stop();
  sessions_.clear();
  started_ = false;
}

void Server::Impl::CheckInvariants() const {
  tables_.CheckInvariants();
  pubsub_.CheckInvariants();
  jobs_.ForEach([this](const protocol::JobInfo& job) {
    const protocol::NodeInfo* node = nodes_.Find(NodeId::FromBinaryOrNil(job.node_id()));
    Check(node == nullptr || protocol::IsAlive(*node) || !protocol::IsRunning(job),
          "no job runs on a dead node");
  });
}

// Starting.

auto Server::Impl::Write(Step step) {
  return AwaitCallback<void>([this, step = std::move(step)](auto done) mutable {
    deps_.storage.Write(std::move(step.changes), std::move(done));
  });
}

Task<void> Server::Impl::Load() {
  auto meta = co_await AwaitCallback<Storage::Entries>(
      [this](auto done) { deps_.storage.Scan(kMetaTable, "", std::move(done)); });
  if (!meta) co_return Fail(StorageError(std::move(meta.error())));
  Table::Past past;
  past.meta = {meta->begin(), meta->end()};
  past.generation = NumberIn(past, kGenerationKey) + 1;
  past.now = deps_.loop.Now();
  Result<ClusterId> cluster = ReadClusterId(past);
  if (!cluster) co_return Fail(std::move(cluster.error()));
  auto loaded = co_await tables_.Load(deps_.storage, past);
  if (!loaded) co_return Fail(StorageError(std::move(loaded.error())));

  // The generation must be on disk before anybody is served: a GCS that died and came back under
  // the same number would give out versions a second time, and subscribers would miss changes.
  Step step;
  step.Store(kMetaTable, kClusterKey, std::string(cluster->Binary()));
  step.Store(kMetaTable, kGenerationKey, fmt::format("{}", past.generation));
  auto written = co_await Write(std::move(step));
  if (!written) co_return Fail(StorageError(std::move(written.error())));
  cluster_id = *cluster;
  started_ = true;
  alive_nodes_ = static_cast<std::int64_t>(nodes_.alive_count());
  // Nodes that lived under the last GCS are alive until their time to come back is over.
  ArmHealth(nodes_.NextDeadline());
  deps_.log.Info("gcs", "started", "cluster={} generation={} nodes={} storage={}",
                 cluster_id.Short(), past.generation, alive_nodes_, deps_.storage.Name());
  co_return Result<void>();
}

Result<ClusterId> Server::Impl::ReadClusterId(const Table::Past& past) {
  const auto it = past.meta.find(kClusterKey);
  // A storage without a cluster id is a new one: the cluster begins here.
  if (it == past.meta.end()) {
    return config_.cluster_id.IsNil() ? deps_.random.NewId<ClusterId>() : config_.cluster_id;
  }
  auto stored = ClusterId::FromBinary(it->second);
  if (!stored) return Fail(ErrorCode::kCorrupt, "the stored cluster id is not one");
  // Serving the facts of one cluster to the nodes of another would mix the two for good.
  if (!config_.cluster_id.IsNil() && config_.cluster_id != *stored) {
    return Fail(ErrorCode::kInvalidArgument, "the storage belongs to cluster {}, not to {}",
                stored->Short(), config_.cluster_id.Short());
  }
  return stored;
}

// Making steps durable, then known.

//! [gcs-commit]
void Server::Impl::Commit(Step step, Then then) {
  // Nothing to store, and nothing is on its way to the storage: all that this answer may show is
  // durable already.
  if (step.changes.empty() && writes_in_flight_ == 0) {
    Publish(step.records);
    return then();
  }
  // Acknowledgements come in the order of the writes. So even an empty write, made by a read, is
  // answered only after every decision that the read may have seen.
  ++writes_in_flight_;
  deps_.storage.Write(std::move(step.changes),
                      alive_.Bind([this, records = std::move(step.records),
                                   then = std::move(then)](const Result<void>& written) mutable {
                        --writes_in_flight_;
                        if (!written) return HandleStorageFailure(written.error());
                        Publish(records);
                        then();
                      }));
}
//! [gcs-commit]

// What was asked of the storage may or may not have happened, and it refuses everything from now
// on. To answer anybody would be to guess, so this server stops. The process ends, and the next one
// starts from what the storage really holds.
void Server::Impl::HandleStorageFailure(const Error& error) {
  deps_.log.Error("gcs", "failed", "storage={} error=\"{}\"", deps_.storage.Name(),
                  error.ToString());
  Stop();
  if (auto callback = std::exchange(on_failed, nullptr)) callback(StorageError(error));
}

Error Server::Impl::StorageError(Error error) const {
  return std::move(error).Context(fmt::format("the storage '{}' failed", deps_.storage.Name()));
}

void Server::Impl::Publish(const std::vector<protocol::Record>& records) {
  if (records.empty()) return;
  for (const SessionId session : pubsub_.Publish(records)) {
    Disconnect(session,
               Error(ErrorCode::kResourceExhausted, "more than {} changes wait for this subscriber",
                     config_.deltas_queued_max));
  }
  for (const SessionId session : pubsub_.Subscribers()) Deliver(session);
}

void Server::Impl::Deliver(SessionId session) {
  const auto at = sessions_.find(session);
  if (at == sessions_.end()) return;
  const auto delta = pubsub_.Take(session);
  if (!delta) return;
  ++deltas_sent_;
  at->second->Call(protocol::kDeliver, *delta,
                   alive_.Bind([this, session](const Result<protocol::DeliverReply>& reply) {
                     // No answer in time: the subscriber hangs, or the delta was lost. Either way
                     // it does not know what we know; a new connection begins with a snapshot.
                     if (!reply) return Disconnect(session, reply.error());
                     // It has the delta. What changed meanwhile goes out in the next one.
                     pubsub_.Acknowledge(session);
                     Deliver(session);
                   }));
}

// Connections and health.

void Server::Impl::OpenSession(rpc::Peer& peer) {
  peer.context = std::make_shared<SessionId>(++last_session_);
  sessions_.emplace(last_session_, &peer);
}

void Server::Impl::CloseSession(SessionId session, const Error& reason) {
  sessions_.erase(session);
  pubsub_.Remove(session);
  const auto node = nodes_.SessionLost(session, deps_.loop.Now());
  if (!node) return;
  // A lost connection is no death: the network may have blinked. The node has a moment to return.
  deps_.log.Info("node", "suspect", "node={} reason=\"{}\"", node->Short(), reason.message());
  ArmHealth(deps_.loop.Now() + config_.reconnect_grace);
}

void Server::Impl::Disconnect(SessionId session, Error reason) {
  deps_.loop.Post(alive_.Bind([this, session, reason = std::move(reason)] {
    const auto it = sessions_.find(session);
    if (it == sessions_.end()) return;  // it left by itself meanwhile
    deps_.log.Info("subscriber", "cut", "session={} reason=\"{}\"", session, reason.message());
    rpc_.ClosePeer(*it->second);
    CloseSession(session, reason);
  }));
}

void Server::Impl::ArmHealth(TimePoint at) {
  if (at == TimePoint::max() || (health_.IsSet() && health_at_ <= at)) return;
  health_at_ = at;
  health_.Set(std::max(at - deps_.loop.Now(), Duration(0)), [this] {
    // A timer this late means that this process was paused. Every node looks silent then, and none
    // of them is: we did not listen.
    const bool was_paused = deps_.loop.Now() - health_at_ > config_.heartbeat_period;
    // Heartbeats may have arrived that were not read yet. They are handled before the check.
    deps_.loop.Post(alive_.Bind([this, was_paused] { CheckHealth(was_paused); }));
  });
}

void Server::Impl::CheckHealth(bool was_paused) {
  const TimePoint now = deps_.loop.Now();
  if (was_paused) {
    deps_.log.Info("gcs", "was_paused", "nodes={}", nodes_.alive_count());
    nodes_.RestartDeadlines(now);
  }
  for (const auto& [node, why] : nodes_.Overdue(now)) DeclareDead(node, why, [] {});
  ArmHealth(nodes_.NextDeadline());
}

void Server::Impl::DeclareDead(const NodeId& id, const std::string& reason, Then then) {
  Step step;
  // A node that is dead already, or forgotten, changes nothing; the answer still waits its turn.
  if (nodes_.DeclareDead(id, reason, step)) {
    deps_.log.Info("node", "dead", "node={} reason=\"{}\"", id.Short(), reason);
    // Its drivers cannot be reached any more, and their own raylet cannot report how they ended. So
    // their jobs fail and their deaths are told in the same step: no restart sees one without the
    // other.
    const std::string why = fmt::format("its node {} died: {}", id.Short(), reason);
    for (const protocol::JobInfo& job : jobs_.FailJobsOf(id, why, WallNow(), step)) {
      deps_.log.Info("job", "finished", "job={} state=FAILED", protocol::IdOf(job).Hex());
      protocol::WorkerDeath death;
      death.set_worker_id(job.driver_id());
      death.set_node_id(job.node_id());
      death.set_pid(job.pid());
      death.set_cause("its node died");
      death.set_is_driver(true);
      death.set_job_id(job.job_id());
      if (!job.driver_id().empty()) deaths_.Report(death, step);
    }
    alive_nodes_ = static_cast<std::int64_t>(nodes_.alive_count());
  }
  Commit(std::move(step), std::move(then));
}

Server::Server(Deps deps, ServerConfig config) : impl_(std::make_unique<Impl>(deps, config)) {}
Server::~Server() { Stop(); }
void Server::Start(Done<void> done) { impl_->Start(std::move(done)); }
Result<std::string> Server::Listen(transport::Transport& transport, std::string_view endpoint) {
  return impl_->Listen(transport, endpoint);
}
void Server::OnFailed(std::function<void(const Error&)> callback) {
  impl_->on_failed = std::move(callback);
}
const ClusterId& Server::cluster_id() const { return impl_->cluster_id; }
void Server::Stop() { impl_->Stop(); }
void Server::CheckInvariants() const { impl_->CheckInvariants(); }

}  // namespace mobula::gcs
