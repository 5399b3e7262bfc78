/// \file
/// \edge
/// \brief Worker kind `zygote`: the raylet's side of zygote.h. One zygote per job.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "components/base/event_log.h"
#include "components/base/file_system.h"
#include "components/base/lifetime.h"
#include "components/base/process_launcher.h"
#include "components/base/real/event_loop.h"
#include "components/raylet/worker_launcher.h"
#include "components/transport/handshake.h"
#include "node/process/zygote.pb.h"

namespace mobula::node {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class ZygoteLauncher final : public raylet::WorkerLauncher {
 public:
  struct Deps {
    RealEventLoop& loop;
    ProcessLauncher& processes;
    FileSystem& files;
    EventLog& log;
  };
  /// What every worker of this node is told.
  struct Settings {
    transport::Token token;
    std::string node_address;
    std::string log_folder;
    LogLevel log_level = LogLevel::kInfo;
    std::string process_settings = {};
  };
  ZygoteLauncher(Deps deps, Settings settings);
  ~ZygoteLauncher() override;

  void Start(raylet::WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) override;
  void Kill(std::int64_t pid) override;
  void EndJob(const JobId& job) override;

 private:
  struct Waiters;
  struct Zygote;
  Result<Zygote*> ZygoteOf(const raylet::WorkerSpec& spec);
  void Listen(const JobId& job);
  void OnReadable(const JobId& job);
  void OnEvent(const JobId& job, const ZygoteEvent& event);
  void OnZygoteExit(const JobId& job, std::int64_t pid, ExitStatus status);

  Deps deps_;
  Settings settings_;
  std::map<JobId, std::unique_ptr<Zygote>> zygotes_;
  Lifetime alive_;
};

}  // namespace mobula::node
