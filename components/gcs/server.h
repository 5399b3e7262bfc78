/// \file
/// \brief The GCS itself: node, job and key-value tables over a `Storage`, health, and deltas.
///
/// It is never on the path of a task or an object. Health: a lost connection makes a node suspect
/// for `reconnect_grace`, then it is dead; a silent one is dead after `heartbeat_timeout`. Death is
/// final: each registration gets a new epoch, and a heartbeat of an old epoch is refused, so that a
/// paused node cannot act when it wakes (it learns that it is fenced).
///
///     Register ─► ALIVE ──connection lost──► suspect ──grace──► DEAD
///                   ▲────────reconnects─────────┘
///                   └──no heartbeat for heartbeat_timeout──► DEAD
#pragma once

#include <memory>

#include "components/base/event_log.h"
#include "components/base/event_loop.h"
#include "components/base/metrics.h"
#include "components/base/random.h"
#include "components/gcs/storage.h"
#include "components/transport/rpc/server.h"

namespace mobula::gcs {

/// Named bounds and times. YAML: `gcs:`.
struct ServerConfig {
  ClusterId cluster_id;
  Duration heartbeat_period = std::chrono::seconds(1);
  Duration heartbeat_timeout = std::chrono::seconds(5);
  Duration reconnect_grace = std::chrono::milliseconds(500);
  std::size_t value_bytes_max = 4U << 20;  ///< Of one key-value entry.
  std::size_t dead_nodes_kept_max = 100;   ///< For `status`; older ones are forgotten.
  std::size_t finished_jobs_kept_max = 1000;
  std::size_t deltas_queued_max = 10'000;  ///< Per subscriber; beyond: it must resubscribe.
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
  void Start(std::move_only_function<void(Result<void>)> done);
  /// Accepts at one more endpoint. \return it, with the real port.
  [[nodiscard]] Result<std::string> Listen(Transport& transport, std::string_view endpoint);
  void Stop();
  void CheckInvariants() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mobula::gcs
