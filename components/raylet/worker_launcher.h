/// \file
/// \brief How a raylet gets worker processes: the seam below the worker pool.
///
/// Kinds: `zygote` (one exec'd program per job that forks workers on request), `thread` (embedded
/// mode: workers are threads of this process), `simulated` (workers are components on the same
/// loop).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "components/base/ids.h"
#include "components/base/process_launcher.h"
#include "components/protocol/common.pb.h"

namespace mobula::raylet {

/// What a new worker must know before it can register.
struct WorkerSpec {
  WorkerId startup_id;  ///< Its id, and sent back in RegisterWorker: which spawn it was.
  JobId job;
  protocol::Program program;    ///< `path` is valid on this host.
  std::string raylet_endpoint;  ///< Local endpoint of the raylet.
  std::string log_path;         ///< Standard output and error of this worker.
};

/// \return where a driver or worker listens for others of its node: beside its raylet.
[[nodiscard]] inline std::string LocalEndpointOf(const WorkerId& id,
                                                 std::string_view raylet_endpoint) {
  if (raylet_endpoint.starts_with("tcp://")) {
    return fmt::format("{}:0", raylet_endpoint.substr(0, raylet_endpoint.rfind(':')));
  }
  return fmt::format("{}/{}.sock", raylet_endpoint.substr(0, raylet_endpoint.rfind('/')),
                     id.Short());
}

/// Threads: the state lock. Lifetime: workers still alive when it is destroyed are killed.
class WorkerLauncher {
 public:
  /// How a worker ended; called once on the loop for every successful or failed start.
  using OnExit = std::move_only_function<void(ExitStatus)>;
  virtual ~WorkerLauncher() = default;

  /// Starts a worker. `started` gets its pid, or why it could not be started (kNotFound: no such
  /// program; kInternal otherwise); then `on_exit` does not run.
  virtual void Start(WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) = 0;
  /// Ends a worker by force. Unknown pids are fine.
  virtual void Kill(std::int64_t pid) = 0;
  /// Ends everything of a job by force: its workers, their children, its zygote.
  virtual void EndJob(const JobId& job) = 0;
};

}  // namespace mobula::raylet
