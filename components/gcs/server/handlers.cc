// \edge: a storage behind the same interface
#include <utility>

#include "components/gcs/server/impl.h"
#include "components/protocol/gcs_convert.h"
#include "components/protocol/gcs_methods.h"

namespace mobula::gcs {
namespace {

/// Fenced nodes that are remembered. At the bound all are forgotten: some are logged once more.
constexpr std::size_t kFencedKeptMax = 1000;

}  // namespace

void Server::Impl::HandleNodes() {
  services_.Handle(protocol::kRegisterNode, [this](auto& request, const auto& context,
                                                   auto respond) {
    Step step;
    const NodeId id = protocol::IdOf(request.node());
    const bool is_new = nodes_.Find(id) == nullptr;
    auto epoch = nodes_.Register(request.node(), SessionOf(*context.peer), deps_.loop.Now(),
                                 WallNow(), step);
    // It was declared dead, perhaps without noticing. Refused, it stops; a fresh id may join.
    if (!epoch) {
      deps_.log.Info("node", "refused", "node={} error={}", id.Short(), epoch.error().ToString());
      return Answer({}, std::move(respond), Fail(std::move(epoch.error())));
    }
    deps_.log.Info("node", is_new ? "registered" : "reconnected", "node={} endpoint={}", id.Short(),
                   request.node().endpoint());
    // It counts as alive from here on, and so its heartbeats are waited for.
    alive_nodes_ = static_cast<std::int64_t>(nodes_.alive_count());
    ArmHealth(deps_.loop.Now() + config_.heartbeat_timeout);
    protocol::RegisterNodeReply reply;
    // The node learns the cluster it is in, the epoch that fences its earlier selves, and how often
    // to report. It is told when all that is durable.
    reply.set_cluster_id(std::string(cluster_id.Binary()));
    reply.set_epoch(*epoch);
    reply.set_heartbeat_period_ms(protocol::Milliseconds(config_.heartbeat_period));
    Answer(std::move(step), std::move(respond), std::move(reply));
  });
  services_.Handle(protocol::kHeartbeat, [this](auto& request, const auto& context, auto respond) {
    ++heartbeats_;
    Step step;
    protocol::HeartbeatReply reply;
    reply.set_known(nodes_.Heartbeat(request, SessionOf(*context.peer), deps_.loop.Now(), step));
    // The node was declared dead while it could not hear it. This answer is how it learns that.
    if (!reply.known()) LogFenced(NodeId::FromBinaryOrNil(request.node_id()), request.epoch());
    Answer(std::move(step), std::move(respond), std::move(reply));
  });
  services_.Handle(protocol::kLeaveNode, [this](auto& request, const auto&, auto respond) {
    // To leave is to die on purpose: at once, without the wait for a heartbeat that never comes.
    DeclareDead(NodeId::FromBinaryOrNil(request.node_id()),
                fmt::format("left: {}", request.reason()),
                [respond = std::move(respond)]() mutable { respond(protocol::LeaveNodeReply()); });
  });
  services_.Handle(protocol::kListNodes, [this](auto&, const auto&, auto respond) {
    protocol::ListNodesReply reply;
    nodes_.ForEach([&reply](const protocol::NodeInfo& node) { *reply.add_nodes() = node; });
    Answer({}, std::move(respond), std::move(reply));
  });
}

void Server::Impl::LogFenced(const NodeId& id, std::uint64_t epoch) {
  // When a partition heals, all heartbeats that the node sent meanwhile arrive at once. Each gets
  // the same answer, but only the first is news.
  if (!fenced_.emplace(id, epoch).second) return;
  deps_.log.Info("node", "fenced", "node={} epoch={}", id.Short(), epoch);
  if (fenced_.size() > kFencedKeptMax) fenced_.clear();
}

void Server::Impl::HandleWorkers() {
  services_.Handle(protocol::kReportWorkerDeath, [this](auto& request, const auto&, auto respond) {
    Result<protocol::ReportWorkerDeathReply> reply;
    Step step;
    // Owners look a death up by its worker id, so a report without one could never be found.
    if (request.death().worker_id().empty()) {
      reply = Fail(ErrorCode::kInvalidArgument, "a worker death was reported without a worker id");
      // The raylet reports until it is answered, and only the first report of a death is news.
    } else if (deaths_.Report(request.death(), step)) {
      deps_.log.Info("worker", "dead", "pid={} cause=\"{}\"", request.death().pid(),
                     request.death().cause());
    }
    Answer(std::move(step), std::move(respond), std::move(reply));
  });
}

void Server::Impl::HandleJobs() {
  services_.Handle(protocol::kStartJob, [this](auto& request, const auto&, auto respond) {
    const protocol::NodeInfo* node = nodes_.Find(NodeId::FromBinaryOrNil(request.job().node_id()));
    // A job on a dead node would run for ever: that node's death has ended its jobs already, and
    // dies no second time.
    if (node != nullptr && !protocol::IsAlive(*node)) {
      return Answer({}, std::move(respond),
                    Fail(ErrorCode::kNodeDied, "the driver's node {} is dead: {}",
                         protocol::IdOf(*node).Short(), node->death_reason()));
    }
    Step step;
    // A driver that did not get the answer sends the same request again, and gets the same job.
    auto id = jobs_.Start(request, WallNow(), step);
    if (!id) return Answer({}, std::move(respond), Fail(std::move(id.error())));
    if (!step.changes.empty()) {  // else the request is a repeated one
      deps_.log.Info("job", "started", "job={} entrypoint=\"{}\"", id->Hex(),
                     request.job().entrypoint());
    }
    protocol::StartJobReply reply;
    reply.set_job_id(std::string(id->Binary()));
    Answer(std::move(step), std::move(respond), std::move(reply));
  });
  services_.Handle(protocol::kFinishJob, [this](auto& request, const auto&, auto respond) {
    Step step;
    const JobId id = JobId::FromBinaryOrNil(request.job_id());
    auto done = jobs_.Finish(id, request.state(), request.message(), WallNow(), step);
    if (!done) return Answer({}, std::move(respond), Fail(std::move(done.error())));
    if (!step.changes.empty()) {
      deps_.log.Info("job", "finished", "job={} state={}", id.Hex(), request.state());
    }
    Answer(std::move(step), std::move(respond), protocol::FinishJobReply());
  });
  services_.Handle(protocol::kListJobs, [this](auto&, const auto&, auto respond) {
    protocol::ListJobsReply reply;
    jobs_.ForEach([&reply](const protocol::JobInfo& job) { *reply.add_jobs() = job; });
    Answer({}, std::move(respond), std::move(reply));
  });
}

void Server::Impl::HandleKeyValue() {
  services_.Handle(protocol::kPutValue, [this](auto& request, const auto&, auto respond) {
    Step step;
    const auto put = key_value_.Put(request, step);
    // The value was refused. Nothing has changed, so there is nothing to store before the answer.
    if (!put) return Answer({}, std::move(respond), Fail(Error(put.error())));
    if (!*put) return CompareKept(request, std::move(respond));
    protocol::PutValueReply reply;
    reply.set_added(true);
    Answer(std::move(step), std::move(respond), std::move(reply));
  });
  services_.Handle(protocol::kGetValue, [this](auto& request, const auto&, auto respond) {
    // Values stand in the storage only. It answers in the order of the calls, so this read sees
    // every write before it.
    deps_.storage.Read(KeyValue::kTableName, KeyValue::StorageKey(request.space(), request.key()),
                       alive_.Bind([this, respond = std::move(respond)](
                                       Result<std::optional<std::string>> value) mutable {
                         if (!value) return HandleStorageFailure(value.error());
                         protocol::GetValueReply reply;
                         reply.set_found(value->has_value());
                         if (*value) reply.set_value(std::move(**value));
                         respond(reply);
                       }));
  });
  services_.Handle(protocol::kDeleteValues, [this](auto& request, const auto&, auto respond) {
    Step step;
    protocol::DeleteValuesReply reply;
    // The keys are gone at once, so a `Put` behind this call finds none of them; the answer waits
    // until the storage has forgotten them, too.
    reply.set_count(key_value_.Delete(request, step));
    Answer(std::move(step), std::move(respond), std::move(reply));
  });
  services_.Handle(protocol::kListKeys, [this](auto& request, const auto&, auto respond) {
    protocol::ListKeysReply reply;
    for (auto& key : key_value_.Keys(request.space(), request.prefix())) {
      reply.add_keys(std::move(key));
    }
    Answer({}, std::move(respond), std::move(reply));
  });
}

// A key that is to be kept counts as put if it holds the very value. A caller whose first answer
// was lost would otherwise be told that another caller came first.
void Server::Impl::CompareKept(const protocol::PutValueRequest& request,
                               rpc::Respond<protocol::PutValueReply> respond) {
  deps_.storage.Read(KeyValue::kTableName, KeyValue::StorageKey(request.space(), request.key()),
                     alive_.Bind([this, value = request.value(), respond = std::move(respond)](
                                     const Result<std::optional<std::string>>& kept) mutable {
                       if (!kept) return HandleStorageFailure(kept.error());
                       protocol::PutValueReply reply;
                       reply.set_added(*kept == value);
                       respond(reply);
                     }));
}

void Server::Impl::HandlePubSub() {
  services_.Handle(protocol::kSubscribe, [this](auto& request, const auto& context, auto respond) {
    auto topics = tables_.ReadTopics(request);
    if (!topics) return Answer({}, std::move(respond), Fail(std::move(topics.error())));
    protocol::SubscribeReply reply;
    for (protocol::Record& record : tables_.Snapshot(*topics)) {
      *reply.add_records() = std::move(record);
    }
    // The snapshot has all that is decided, also what is still on its way to the storage. Deltas
    // begin when that is durable and published, so nothing is told twice and nothing is left out.
    Commit({}, [this, session = SessionOf(*context.peer), topics = std::move(*topics),
                reply = std::move(reply), respond = std::move(respond)]() mutable {
      if (!sessions_.contains(session)) return;  // the subscriber has gone meanwhile
      pubsub_.Add(session, std::move(topics));
      respond(std::move(reply));
    });
  });
}

}  // namespace mobula::gcs
