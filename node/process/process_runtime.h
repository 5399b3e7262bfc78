/// \file
/// \edge
/// \brief A driver or worker as a whole: loop, transports, core worker, and the runtime over them.
///
/// Used by a driver's `Init`, by a forked worker, and by the threads of the embedded mode. It
/// starts its own loop thread, listens for other processes, registers with the raylet of its node,
/// attaches to the store, and then serves `internal::Runtime` to user code.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "components/base/event_log.h"
#include "components/base/ids.h"
#include "components/protocol/common.pb.h"
#include "components/transport/handshake.h"
#include "mobula/internal/runtime.h"

namespace mobula::node {

/// What a process must know to take part.
struct ProcessOptions {
  bool is_driver = false;
  std::string raylet_endpoint;  ///< unix endpoint of this node's raylet.
  std::string node_address;     ///< Host part where this process listens.
  transport::Token token;
  protocol::Program program;
  JobId job;            ///< Workers.
  WorkerId startup_id;  ///< Workers.
  LogLevel log_level = LogLevel::kError;
  std::string settings;  ///< The node's, see process_settings.h. Empty: the defaults.
};

/// Threads: made, run and stopped by one user thread; `runtime()` is for any.
/// Lifetime: destruction stops everything and joins the loop. Nobody is inside the runtime then;
/// who may be shares the process, and is sent away by `Stop`.
class ProcessRuntime {
 public:
  /// Blocks until the process has joined its node, at most `kJoinMax`. kUnavailable,
  /// kPermissionDenied, kVersionMismatch, kDeadlineExceeded: each says with whom.
  [[nodiscard]] static Result<std::unique_ptr<ProcessRuntime>> Start(ProcessOptions options);
  ~ProcessRuntime();
  /// A driver tells its raylet that its job is over; one that ends without has failed. Calls of the
  /// runtime end with kUnavailable from now on. Blocks at most a second.
  /// \param failure how it failed; empty: it succeeded.
  void FinishJob(const std::string& failure);
  /// Leaves the cluster and joins the loop; calls of the runtime end with kUnavailable from now on.
  /// Twice is harmless.
  void Stop();

  [[nodiscard]] internal::Runtime& runtime();
  /// Workers: runs tasks on this thread until the raylet is lost or says to exit.
  void RunTasks();
  /// Makes `RunTasks` return after the current task. Threads: any.
  void StopTasks();
  /// Runs on the loop when this process must end: its raylet is gone.
  void OnMustExit(std::function<void(const Error&)> callback);

  static constexpr Duration kJoinMax = std::chrono::seconds(10);

 private:
  class Impl;
  explicit ProcessRuntime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace mobula::node
