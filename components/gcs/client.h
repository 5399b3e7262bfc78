/// \file
/// \brief The typed client of the GCS, which outlives connections to it.
///
/// Raylets, workers, drivers and tools talk to the GCS through this. When the connection drops it
/// reconnects, registers again, subscribes again and delivers what changed meanwhile; calls that
/// are idempotent wait and are repeated. Only after `reconnect_window` is the GCS gone for good.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/random.h"
#include "components/protocol/gcs.pb.h"
#include "components/transport/rpc/client.h"

namespace mobula::gcs {

/// What to subscribe to: a channel, whole or, if keys are given, some of its records: by node id,
/// job id or, for deaths, worker id, as bytes.
struct Topic {
  // NOLINTNEXTLINE(google-explicit-constructor): a channel by itself is the usual topic
  Topic(protocol::Channel the_channel, std::vector<std::string> the_keys = {})
      : channel(the_channel), keys(std::move(the_keys)) {}
  protocol::Channel channel;
  std::vector<std::string> keys;
};

/// What a subscriber hears. Each may be empty. All run on the loop; they may stop the client but
/// not destroy it.
struct Subscription {
  /// New or changed, newest version only. DEAD comes once, also if it happened while we were away.
  std::function<void(const protocol::NodeInfo&)> on_node;
  /// Deaths from the subscription on, each once, also those reported while we were away.
  std::function<void(const protocol::WorkerDeath&)> on_worker_death;
  std::function<void(const protocol::JobInfo&)> on_job;
};

enum class PutMode : std::uint8_t { kReplace, kKeepExisting };
enum class KeyMatch : std::uint8_t { kWhole, kPrefix };

/// Calls fail with kUnavailable when the GCS is gone, kDeadlineExceeded, or the server's errors.
/// Threads: the state lock. Lifetime: transport outlives it; callbacks stop with it.
class GcsClient {
 public:
  GcsClient(EventLoop& loop, transport::Transport& transport, std::string endpoint, Random random,
            rpc::ClientOptions options);
  ~GcsClient();

  /// Registers this node now and again at every reconnection. `done` runs for the first time only;
  /// `on_fenced` runs once if the GCS has declared us dead: the raylet must stop and not act.
  /// \pre called once; `node.epoch()` is 0.
  void RegisterNode(protocol::NodeInfo node, Done<protocol::RegisterNodeReply> done,
                    std::function<void()> on_fenced);
  /// Sends a heartbeat; `changed` null when nothing changed. While away it only remembers what
  /// changed, and the next registration tells it. Call it every `heartbeat_period_ms`.
  void Heartbeat(const protocol::NodeInfo* changed);
  /// Says that this node ends on purpose. Nothing is registered again after this.
  void LeaveNode(std::string reason, Done<protocol::LeaveNodeReply> done);
  void ListNodes(Done<std::vector<protocol::NodeInfo>> done);
  void ReportWorkerDeath(const protocol::WorkerDeath& death);

  void StartJob(protocol::JobInfo job, Done<JobId> done);
  void FinishJob(const JobId& job, std::string state, std::string message,
                 Done<protocol::FinishJobReply> done);
  void ListJobs(Done<std::vector<protocol::JobInfo>> done);

  void Put(std::string space, std::string key, std::string value,
           Done<protocol::PutValueReply> done, PutMode mode = PutMode::kReplace);
  void Get(std::string space, std::string key, Done<std::optional<std::string>> done);
  void Delete(std::string space, std::string key, Done<protocol::DeleteValuesReply> done,
              KeyMatch match = KeyMatch::kWhole);
  void Keys(std::string space, std::string prefix, Done<std::vector<std::string>> done);

  /// Snapshot first, then deltas; after a reconnection only what changed. \pre called once.
  /// kResourceExhausted: more keys than the GCS allows for one subscription.
  void Subscribe(const std::vector<Topic>& topics, Subscription subscription,
                 Done<protocol::SubscribeReply> done);

  /// Runs whenever the connection is lost; it is made again, for as long as the window is.
  void OnLost(std::function<void(const Error&)> callback);
  /// Runs once when the GCS has been away for longer than the window.
  void OnGone(std::function<void(const Error&)> callback);
  [[nodiscard]] bool IsConnected() const;
  void Stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mobula::gcs
