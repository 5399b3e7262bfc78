// \edge: a storage behind the same interface
#include "components/gcs/client.h"

#include <utility>

#include "components/base/lifetime.h"
#include "components/gcs/client/follower.h"
#include "components/protocol/gcs_methods.h"

namespace mobula::gcs {
namespace {

constexpr Duration kRetryDelay = std::chrono::milliseconds(100);

/// The session (registration, subscription) tries again after these; everything else is final.
bool IsPassing(const Error& error) {
  return error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kDeadlineExceeded ||
         error.code() == ErrorCode::kCancelled;
}

/// The records of one channel, in their order.
template <typename Record>
std::vector<Record> RecordsOf(const google::protobuf::RepeatedPtrField<protocol::Record>& records,
                              protocol::Channel channel) {
  std::vector<Record> parsed;
  for (const protocol::Record& record : records) {
    if (record.channel() == channel) parsed.emplace_back().ParseFromString(record.value());
  }
  return parsed;
}

}  // namespace

// The life of a node's registration. It outlives connections: what the node says of itself is kept
// here (`node_`), changed by heartbeats also while the GCS is away, and told with the next
// registration. `revision_` counts its changes and `revision_told_` those that were acknowledged:
// a heartbeat carries the record only if the GCS lacks something of it.
//
//   RegisterNode ─► registering ──reply──► registered ──connection lost──► registering …
//                       │                      │
//                       └──kNodeDied──► fenced ◄──Heartbeat: not known
class GcsClient::Impl {
 public:
  Impl(EventLoop& loop, transport::Transport& transport, std::string endpoint, Random random,
       rpc::ClientOptions options)
      : random_(random.Fork("request ids")),
        register_retry_(loop),
        subscribe_retry_(loop),
        rpc(loop, transport, std::move(endpoint), random.Fork("reconnect"), options, &services_) {
    services_.Handle(protocol::kDeliver,
                     [this](const protocol::Delta& delta, const rpc::CallContext&,
                            rpc::Respond<protocol::DeliverReply> respond) {
                       respond(protocol::DeliverReply());
                       OnDelta(delta);
                     });
    // A new connection, the first or a later one. The GCS may be another process by now that knows
    // of neither registration nor subscription, so both are sent again.
    rpc.OnConnected([this](rpc::Peer&) {
      // A call of the old connection has ended with it, and its answer does not come any more.
      registering_ = false;
      SendRegister();
      SendSubscribe();
    });
    // The window is over: nobody answers any more, and nothing will be sent again.
    rpc.OnGone([this](const Error& reason) {
      if (auto done = std::exchange(register_done_, nullptr)) done(Fail(Error(reason)));
      if (auto done = std::exchange(subscribe_done_, nullptr)) done(Fail(Error(reason)));
      if (auto callback = std::exchange(on_gone, nullptr)) callback(reason);
    });
  }

  void RegisterNode(protocol::NodeInfo node, Done<protocol::RegisterNodeReply> done,
                    std::function<void()> on_fenced) {
    // From here on every new connection registers this node, until it leaves or is refused.
    node_ = std::move(node);
    register_done_ = std::move(done);
    on_fenced_ = std::move(on_fenced);
    SendRegister();
    rpc.Connect();
  }

  void Heartbeat(const protocol::NodeInfo* changed) {
    if (!node_) return;
    // The raylet describes itself without the id and epoch under which it is registered.
    if (changed != nullptr) {
      const std::uint64_t epoch = node_->epoch();
      const std::string id = node_->node_id();
      *node_ = *changed;
      node_->set_node_id(id);
      node_->set_epoch(epoch);
      ++revision_;
    }
    // Not registered on this connection: the registration that is under way, or comes with the next
    // connection, tells all of this.
    if (node_->epoch() == 0 || registering_ || rpc.peer() == nullptr) return;
    protocol::HeartbeatRequest request;
    request.set_node_id(node_->node_id());
    request.set_epoch(node_->epoch());
    if (revision_ != revision_told_) *request.mutable_changed() = *node_;
    // On this connection only. Repeated on the next one, after a registration with newer facts, it
    // would put the old ones back.
    rpc.peer()->Call(
        protocol::kHeartbeat, request,
        alive_.Bind([this, told = revision_](const Result<protocol::HeartbeatReply>& reply) {
          if (!reply || !node_) return;  // lost: the next heartbeat carries the same facts
          revision_told_ = std::max(revision_told_, told);
          if (!reply->known()) Fence();
        }));
  }

  void LeaveNode(std::string reason, Done<protocol::LeaveNodeReply> done) {
    protocol::LeaveNodeRequest request;
    if (node_) request.set_node_id(node_->node_id());
    request.set_reason(std::move(reason));
    // Forgotten before the call: a reconnection in the middle of it must not register us again.
    node_.reset();
    on_fenced_ = nullptr;
    rpc.Call(protocol::kLeaveNode, request, std::move(done));
  }

  void Subscribe(const std::vector<Topic>& topics, Subscription subscription,
                 Done<protocol::SubscribeReply> done) {
    for (const Topic& topic : topics) {
      protocol::Topic& wanted = *subscribe_.add_topics();
      wanted.set_channel(topic.channel);
      wanted.mutable_keys()->Assign(topic.keys.begin(), topic.keys.end());
    }
    subscription_ = std::move(subscription);
    subscribe_done_ = std::move(done);
    SendSubscribe();
    rpc.Connect();
  }

  void Stop() {
    alive_.End();
    register_retry_.Cancel();
    subscribe_retry_.Cancel();
    rpc.Stop();
    stopped_ = true;
  }

  std::string NewRequestId() { return std::string(random_.NewId<WorkerId>().Binary()); }

 private:
  void SendRegister() {
    if (!node_ || registering_ || rpc.peer() == nullptr) return;
    register_retry_.Cancel();
    registering_ = true;
    protocol::RegisterNodeRequest request;
    *request.mutable_node() = *node_;
    rpc.peer()->Call(
        protocol::kRegisterNode, request,
        alive_.Bind([this, told = revision_](Result<protocol::RegisterNodeReply> reply) {
          OnRegistered(told, std::move(reply));
        }));
  }

  void OnRegistered(std::uint64_t told, Result<protocol::RegisterNodeReply> reply) {
    registering_ = false;
    if (!node_) return;
    if (reply) {
      // The epoch says which life of this node is meant: heartbeats of an earlier life are refused.
      node_->set_epoch(reply->epoch());
      revision_told_ = std::max(revision_told_, told);
    } else if (IsPassing(reply.error())) {
      // A lost connection comes back through OnConnected; on a live one the answer was lost.
      return register_retry_.Set(kRetryDelay, [this] { SendRegister(); });
    } else if (node_->epoch() != 0) {
      // We were in the cluster and are refused: the GCS declared us dead while we were away.
      return Fence();
    } else {
      // We never were in. `done` gets the reason, and nothing is sent again.
      node_.reset();
    }
    if (auto done = std::exchange(register_done_, nullptr)) done(std::move(reply));
  }

  // The GCS has declared this node dead, and others act on that: its tasks run again elsewhere. It
  // may not come back under the same id, so it is not registered again, and its owner ends it.
  void Fence() {
    node_.reset();
    if (auto callback = std::exchange(on_fenced_, nullptr)) callback();
  }

  void SendSubscribe() {
    if (subscribe_.topics().empty() || rpc.peer() == nullptr) return;
    subscribe_retry_.Cancel();
    // Deltas of an earlier subscription may still arrive. What they say is part of the snapshot to
    // come, so without a sequence they are dropped.
    sequence_.reset();
    rpc.peer()->Call(
        protocol::kSubscribe, subscribe_,
        alive_.Bind([this, serial = ++subscribe_serial_](Result<protocol::SubscribeReply> reply) {
          if (serial == subscribe_serial_) OnSnapshot(std::move(reply));
        }));
  }

  void OnSnapshot(Result<protocol::SubscribeReply> reply) {
    if (!reply) {
      // Lost with its connection, or late on a living one: ask again. Anything else would be
      // answered in the same way a second time.
      if (IsPassing(reply.error())) {
        return subscribe_retry_.Set(kRetryDelay, [this] { SendSubscribe(); });
      }
      if (auto done = std::exchange(subscribe_done_, nullptr)) done(std::move(reply));
      return;
    }
    sequence_ = reply->sequence();
    // Only the followers know what is new in it: after a reconnection, most of it is not.
    const auto& records = reply->records();
    nodes_.Snapshot(RecordsOf<protocol::NodeInfo>(records, protocol::NODES),
                    Unless(subscription_.on_node));
    deaths_.Snapshot(RecordsOf<protocol::WorkerDeath>(records, protocol::WORKERS),
                     Unless(subscription_.on_worker_death));
    jobs_.Snapshot(RecordsOf<protocol::JobInfo>(records, protocol::JOBS),
                   Unless(subscription_.on_job));
    if (auto done = std::exchange(subscribe_done_, nullptr)) done(std::move(reply));
  }

  void OnDelta(const protocol::Delta& delta) {
    if (!sequence_) return;  // the snapshot under way has it
    // A delta is missing. What it said is lost, so the whole is asked for again.
    if (delta.sequence() != *sequence_ + 1) return SendSubscribe();
    sequence_ = delta.sequence();
    const auto& records = delta.records();
    for (const auto& node : RecordsOf<protocol::NodeInfo>(records, protocol::NODES)) {
      nodes_.Apply(node, Unless(subscription_.on_node));
    }
    for (const auto& death : RecordsOf<protocol::WorkerDeath>(records, protocol::WORKERS)) {
      deaths_.Apply(death, Unless(subscription_.on_worker_death));
    }
    for (const auto& job : RecordsOf<protocol::JobInfo>(records, protocol::JOBS)) {
      jobs_.Apply(job, Unless(subscription_.on_job));
    }
  }

  /// `callback`, silent once one of its like has stopped us.
  template <typename Record>
  std::function<void(const Record&)> Unless(const std::function<void(const Record&)>& callback) {
    if (!callback) return nullptr;
    return [this, &callback](const Record& record) {
      if (!stopped_) callback(record);
    };
  }

  Random random_;
  rpc::ServiceTable services_;
  std::optional<protocol::NodeInfo> node_;  // what we say of ourselves; nullopt: not, not any more
  std::uint64_t revision_ = 0;              // of node_
  std::uint64_t revision_told_ = 0;
  bool registering_ = false;
  Done<protocol::RegisterNodeReply> register_done_;
  std::function<void()> on_fenced_;
  protocol::SubscribeRequest subscribe_;
  Subscription subscription_;
  Done<protocol::SubscribeReply> subscribe_done_;
  std::uint64_t subscribe_serial_ = 0;
  std::optional<std::uint64_t> sequence_;  // of the last delta; nullopt: no snapshot yet
  Timer register_retry_;
  Timer subscribe_retry_;
  Follower<protocol::NodeInfo> nodes_;
  DeathFollower deaths_;
  Follower<protocol::JobInfo> jobs_;
  bool stopped_ = false;
  Lifetime alive_;

 public:
  std::function<void(const Error&)> on_gone;
  rpc::Client rpc;  // last: nothing it calls may be gone
};

namespace {

/// Hands on one field of a reply.
template <typename Reply, typename T, typename Pick>
auto Picked(Done<T> done, Pick pick) {
  return [done = std::move(done), pick](Result<Reply> reply) mutable {
    if (!reply) return done(Fail(std::move(reply.error())));
    done(pick(*reply));
  };
}

}  // namespace

GcsClient::GcsClient(EventLoop& loop, transport::Transport& transport, std::string endpoint,
                     Random random, rpc::ClientOptions options)
    : impl_(std::make_unique<Impl>(loop, transport, std::move(endpoint), random, options)) {}
GcsClient::~GcsClient() = default;

void GcsClient::RegisterNode(protocol::NodeInfo node, Done<protocol::RegisterNodeReply> done,
                             std::function<void()> on_fenced) {
  impl_->RegisterNode(std::move(node), std::move(done), std::move(on_fenced));
}
void GcsClient::Heartbeat(const protocol::NodeInfo* changed) { impl_->Heartbeat(changed); }
void GcsClient::LeaveNode(std::string reason, Done<protocol::LeaveNodeReply> done) {
  impl_->LeaveNode(std::move(reason), std::move(done));
}
void GcsClient::ListNodes(Done<std::vector<protocol::NodeInfo>> done) {
  impl_->rpc.Call(
      protocol::kListNodes, {},
      Picked<protocol::ListNodesReply>(std::move(done), [](protocol::ListNodesReply& r) {
        return std::vector<protocol::NodeInfo>(r.nodes().begin(), r.nodes().end());
      }));
}
void GcsClient::ReportWorkerDeath(const protocol::WorkerDeath& death) {
  protocol::ReportWorkerDeathRequest request;
  *request.mutable_death() = death;
  impl_->rpc.Call(protocol::kReportWorkerDeath, request,
                  [](const Result<protocol::ReportWorkerDeathReply>&) {});
}

void GcsClient::StartJob(protocol::JobInfo job, Done<JobId> done) {
  protocol::StartJobRequest request;
  *request.mutable_job() = std::move(job);
  request.set_request_id(impl_->NewRequestId());
  impl_->rpc.Call(protocol::kStartJob, request,
                  Picked<protocol::StartJobReply>(std::move(done), [](protocol::StartJobReply& r) {
                    return JobId::FromBinary(r.job_id());
                  }));
}
void GcsClient::FinishJob(const JobId& job, std::string state, std::string message,
                          Done<protocol::FinishJobReply> done) {
  protocol::FinishJobRequest request;
  request.set_job_id(std::string(job.Binary()));
  request.set_state(std::move(state));
  request.set_message(std::move(message));
  impl_->rpc.Call(protocol::kFinishJob, request, std::move(done));
}
void GcsClient::ListJobs(Done<std::vector<protocol::JobInfo>> done) {
  impl_->rpc.Call(protocol::kListJobs, {},
                  Picked<protocol::ListJobsReply>(std::move(done), [](protocol::ListJobsReply& r) {
                    return std::vector<protocol::JobInfo>(r.jobs().begin(), r.jobs().end());
                  }));
}

void GcsClient::Put(std::string space, std::string key, std::string value,
                    Done<protocol::PutValueReply> done, PutMode mode) {
  protocol::PutValueRequest request;
  request.set_space(std::move(space));
  request.set_key(std::move(key));
  request.set_value(std::move(value));
  request.set_keep_existing(mode == PutMode::kKeepExisting);
  impl_->rpc.Call(protocol::kPutValue, request, std::move(done));
}
void GcsClient::Get(std::string space, std::string key, Done<std::optional<std::string>> done) {
  protocol::GetValueRequest request;
  request.set_space(std::move(space));
  request.set_key(std::move(key));
  impl_->rpc.Call(protocol::kGetValue, request,
                  Picked<protocol::GetValueReply>(std::move(done), [](protocol::GetValueReply& r) {
                    return r.found() ? std::optional(std::move(*r.mutable_value())) : std::nullopt;
                  }));
}
void GcsClient::Delete(std::string space, std::string key, Done<protocol::DeleteValuesReply> done,
                       KeyMatch match) {
  protocol::DeleteValuesRequest request;
  request.set_space(std::move(space));
  request.set_key(std::move(key));
  request.set_is_prefix(match == KeyMatch::kPrefix);
  impl_->rpc.Call(protocol::kDeleteValues, request, std::move(done));
}
void GcsClient::Keys(std::string space, std::string prefix, Done<std::vector<std::string>> done) {
  protocol::ListKeysRequest request;
  request.set_space(std::move(space));
  request.set_prefix(std::move(prefix));
  impl_->rpc.Call(protocol::kListKeys, request,
                  Picked<protocol::ListKeysReply>(std::move(done), [](protocol::ListKeysReply& r) {
                    return std::vector<std::string>(r.keys().begin(), r.keys().end());
                  }));
}

void GcsClient::Subscribe(const std::vector<Topic>& topics, Subscription subscription,
                          Done<protocol::SubscribeReply> done) {
  impl_->Subscribe(topics, std::move(subscription), std::move(done));
}
void GcsClient::OnLost(std::function<void(const Error&)> callback) {
  impl_->rpc.OnDisconnected(std::move(callback));
}
void GcsClient::OnGone(std::function<void(const Error&)> callback) {
  impl_->on_gone = std::move(callback);
}
bool GcsClient::IsConnected() const { return impl_->rpc.IsConnected(); }
void GcsClient::Stop() { impl_->Stop(); }

}  // namespace mobula::gcs
