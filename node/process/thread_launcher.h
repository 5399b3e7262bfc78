/// \file
/// \edge
/// \brief Worker kind `thread`: the embedded mode's workers, each a `ProcessRuntime` in a thread.
///
/// For debuggers and unit tests: same components and protocols, one process. A thread cannot be
/// killed; `Kill` lets it end after its current task and reports signal 9.
#pragma once

#include <map>
#include <memory>
#include <thread>

#include "components/base/event_log.h"
#include "components/base/event_loop.h"
#include "components/base/lifetime.h"
#include "components/raylet/worker_launcher.h"
#include "components/transport/handshake.h"

namespace mobula::node {

/// Threads: the state lock. Lifetime: destruction joins all threads; the lock must not be held
/// then.
class ThreadLauncher final : public raylet::WorkerLauncher {
 public:
  struct Settings {
    transport::Token token;
    std::string node_address;
    LogLevel log_level = LogLevel::kError;
    std::string process_settings = {};
  };
  ThreadLauncher(EventLoop& loop, Settings settings);
  ~ThreadLauncher() override;

  void Start(raylet::WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) override;
  void Kill(std::int64_t pid) override;
  void EndJob(const JobId& job) override;

 private:
  struct Worker;
  void End(std::int64_t id, ExitStatus status);

  EventLoop& loop_;
  Settings settings_;
  std::int64_t last_id_ = 0;  // stands in for a pid
  std::map<std::int64_t, std::shared_ptr<Worker>>
      workers_;  // owners: this map, the worker's thread
  std::vector<std::thread> threads_;
  Lifetime alive_;
};

}  // namespace mobula::node
