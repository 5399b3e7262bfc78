/// \file
/// \brief The state behind `Server`: the tables, who is connected, and how a step becomes known.
///
/// A handler (handlers.cc) asks a table, gets a `Step`, and hands it to `Commit`: stored first,
/// then published, then answered, in the order of the calls. A new table is a member here, an entry
/// of `tables_`, and a `HandleX` with its methods.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "components/base/lifetime.h"
#include "components/base/task_group.h"
#include "components/gcs/server.h"
#include "components/gcs/server/death_table.h"
#include "components/gcs/server/job_table.h"
#include "components/gcs/server/key_value.h"
#include "components/gcs/server/node_table.h"
#include "components/gcs/server/pubsub.h"
#include "components/gcs/server/step.h"
#include "components/gcs/server/tables.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

class Server::Impl {
 public:
  Impl(Deps deps, ServerConfig config);

  void Start(Done<void> done);
  Result<std::string> Listen(transport::Transport& transport, std::string_view endpoint);
  void Stop();
  void CheckInvariants() const;

  std::function<void(const Error&)> on_failed;
  ClusterId cluster_id;

 private:
  using Then = std::move_only_function<void()>;

  Task<void> Load();
  Result<ClusterId> ReadClusterId(const Table::Past& past);
  [[nodiscard]] auto Write(Step step);

  /// Stores and publishes `step`, then runs `then`: in order of the calls, also for empty steps.
  void Commit(Step step, Then then);
  template <typename Reply>
  void Answer(Step step, rpc::Respond<Reply> respond, std::type_identity_t<Result<Reply>> reply) {
    Commit(std::move(step),
           [respond = std::move(respond), reply = std::move(reply)]() mutable { respond(reply); });
  }
  void HandleStorageFailure(const Error& error);
  [[nodiscard]] Error StorageError(Error error) const;
  void Publish(const std::vector<protocol::Record>& records);
  void Deliver(SessionId session);

  static SessionId SessionOf(const rpc::Peer& peer) {
    return peer.context ? *static_cast<const SessionId*>(peer.context.get()) : 0;
  }
  void OpenSession(rpc::Peer& peer);
  void CloseSession(SessionId session, const Error& reason);
  /// Ends a connection soon: not now, because we may be inside one of its callbacks.
  void Disconnect(SessionId session, Error reason);

  void ArmHealth(TimePoint at);
  void CheckHealth(bool was_paused);
  /// Declares a node dead, and ends the jobs whose driver was there.
  void DeclareDead(const NodeId& id, const std::string& reason, Then then);
  [[nodiscard]] Duration WallNow() const { return deps_.loop.clock().WallNow(); }

  void HandleNodes();
  void LogFenced(const NodeId& id, std::uint64_t epoch);
  void HandleWorkers();
  void HandleJobs();
  void HandleKeyValue();
  void HandlePubSub();
  void CompareKept(const protocol::PutValueRequest& request,
                   rpc::Respond<protocol::PutValueReply> respond);

  Deps deps_;
  ServerConfig config_;
  NodeTable nodes_;
  std::set<std::pair<NodeId, std::uint64_t>> fenced_;  // by id and epoch: told that they are dead
  JobTable jobs_;
  DeathTable deaths_;
  KeyValue key_value_;
  Tables tables_;
  PubSub pubsub_;
  rpc::ServiceTable services_;
  rpc::Server rpc_;
  std::map<SessionId, rpc::Peer*> sessions_;
  SessionId last_session_ = 0;
  std::size_t writes_in_flight_ = 0;
  bool started_ = false;
  Timer health_;
  TimePoint health_at_;
  std::int64_t& alive_nodes_;
  std::int64_t& heartbeats_;
  std::int64_t& deltas_sent_;
  TaskGroup tasks_;
  Lifetime alive_;
};

}  // namespace mobula::gcs
