/// \file
/// \brief The GCS itself: node, job and key-value tables over a `Storage`, health, and deltas.
///
/// It is never on the path of a task or an object. Health: a lost connection makes a node suspect
/// for `reconnect_grace`, then it is dead; a silent one is dead after `heartbeat_timeout`. Death is
/// final: a node id names one incarnation, gets one epoch, and is refused for ever once dead, so
/// that a paused node cannot act when it wakes (it learns that it is fenced). A GCS that finds it
/// was paused itself declares nobody dead for that time. What a node tells is answered, and told to
/// others, only when it is durable. The state diagram is in server/node_table.h.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "components/base/event_log.h"
#include "components/base/event_loop.h"
#include "components/base/metrics.h"
#include "components/base/random.h"
#include "components/gcs/storage.h"
#include "components/transport/rpc/server.h"

namespace mobula::gcs {

/// Named bounds and times. YAML: `gcs:`.
struct ServerConfig {
  ClusterId cluster_id;  ///< Nil: the stored one, or a new one at the first start.
  Duration heartbeat_period = std::chrono::seconds(1);
  Duration heartbeat_timeout = std::chrono::seconds(5);
  Duration reconnect_grace = std::chrono::milliseconds(500);
  std::size_t value_bytes_max = 4U << 20;       ///< Of one key-value entry.
  std::uint64_t values_bytes_max = 4ULL << 30;  ///< Of all of them, programs mostly.
  std::size_t dead_nodes_kept_max = 100;        ///< For `status`; older ones are forgotten.
  std::size_t finished_jobs_kept_max = 1000;
  std::size_t worker_deaths_kept_max = 1000;  ///< For subscribers who were away.
  /// Changed records that may wait per subscriber; beyond: it is disconnected and begins anew.
  std::size_t deltas_queued_max = 10'000;
  std::size_t subscription_keys_max = 10'000;  ///< Keys that one subscription may name.
};

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it. `Stop` twice is harmless.
class Server {
 public:
  struct Deps {
    EventLoop& loop;
    Storage& storage;
    EventLog& log;
    Metrics& metrics;
    Random random;
  };
  Server(Deps deps, ServerConfig config);
  ~Server();

  /// Reads the storage; serves from then on. Jobs that ran when the last GCS ended are kept.
  /// kCorrupt: the storage holds what is no record of ours. kInvalidArgument: it belongs to another
  /// cluster than `cluster_id`. kInternal: the storage failed.
  void Start(Done<void> done);
  /// Accepts at one more endpoint. \return it, with the real port. kUnavailable before `Start` is
  /// done; otherwise as `Transport::Listen`.
  [[nodiscard]] Result<std::string> Listen(transport::Transport& transport,
                                           std::string_view endpoint);
  /// Runs once if the storage fails later: the server has stopped, and the process must end.
  void OnFailed(std::function<void(const Error&)> callback);
  /// \return the cluster's id, nil before `Start` is done.
  [[nodiscard]] const ClusterId& cluster_id() const;
  void Stop();
  void CheckInvariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mobula::gcs
