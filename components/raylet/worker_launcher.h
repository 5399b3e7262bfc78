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

/// Starts workers, and tells how each of them ended.
///
/// Each start takes one of two ways, and every callback runs at most once:
///
///     Start ─► started(pid) ───the worker ends, whatever the cause──► on_exit(status)
///        └───► started(why it could not be started)
///
/// No callback runs inside the call that causes it, so a caller may be in the middle of a change.
///
/// Threads: the state lock; callbacks run on the loop.
/// Lifetime: destruction kills the workers that are alive and all that they have started; callbacks
/// that have not run by then never do.
class WorkerLauncher {
 public:
  /// How a worker ended: the status with which it really did.
  using OnExit = std::move_only_function<void(ExitStatus)>;
  virtual ~WorkerLauncher() = default;

  /// Starts a worker. Its pid is positive and differs from those of all workers that are alive
  /// here. kNotFound if there is no such program; kCancelled if its job was ended before it had
  /// started; kInternal otherwise.
  virtual void Start(WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) = 0;
  /// Ends a worker by force: it ends with signal 9. Unknown pids are fine, and so is doing it
  /// twice.
  virtual void Kill(std::int64_t pid) = 0;
  /// Ends everything of a job by force: its workers, also those that are starting, their children,
  /// and its zygote. Unknown jobs are fine, and so is doing it twice.
  virtual void EndJob(const JobId& job) = 0;
};

}  // namespace mobula::raylet
