#include "node/process/thread_launcher.h"

#include <csignal>
#include <mutex>

#include "node/process/process_runtime.h"

namespace mobula::node {

struct ThreadLauncher::Worker {
  JobId job;
  OnExit on_exit;
  std::mutex mutex;  // guards the two below: the thread makes the process, the loop stops it
  bool is_stopping = false;
  ProcessRuntime* process = nullptr;

  void Stop() {
    const std::lock_guard lock(mutex);
    is_stopping = true;
    if (process != nullptr) process->StopTasks();
  }
  /// \return false if it was stopped before it had begun.
  bool Begin(ProcessRuntime* begun) {
    const std::lock_guard lock(mutex);
    process = begun;
    return !is_stopping || begun == nullptr;
  }
};

ThreadLauncher::ThreadLauncher(EventLoop& loop, Settings settings)
    : loop_(loop), settings_(std::move(settings)) {}

ThreadLauncher::~ThreadLauncher() {
  alive_.End();
  for (const auto& [id, worker] : workers_) worker->Stop();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadLauncher::Start(raylet::WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) {
  const std::int64_t id = ++last_id_;
  auto worker = std::make_shared<Worker>();
  worker->job = spec.job;
  worker->on_exit = std::move(on_exit);
  workers_.emplace(id, worker);
  ProcessOptions options;
  options.raylet_endpoint = spec.raylet_endpoint;
  options.node_address = settings_.node_address;
  options.token = settings_.token;
  options.program = spec.program;
  options.job = spec.job;
  options.startup_id = spec.startup_id;
  options.log_level = settings_.log_level;
  options.settings = settings_.process_settings;
  auto ended = alive_.Bind([this, id] { End(id, 0); });
  threads_.emplace_back([worker, options, ended, &loop = loop_] {
    Result<std::unique_ptr<ProcessRuntime>> process = ProcessRuntime::Start(options);
    if (process && worker->Begin(process->get())) {
      internal::SetThreadRuntime(&(*process)->runtime());
      (*process)->RunTasks();
      internal::SetThreadRuntime(nullptr);
    }
    worker->Begin(nullptr);
    if (process) process->reset();
    loop.Post(ended);
  });
  loop_.Post([id, started = std::move(started)]() mutable { started(id); });
}

void ThreadLauncher::End(std::int64_t id, int signal) {
  const auto it = workers_.find(id);
  if (it == workers_.end() || !it->second->on_exit) return;
  auto on_exit = std::exchange(it->second->on_exit, nullptr);
  workers_.erase(it);
  on_exit({.code = 0, .signal = signal});
}

void ThreadLauncher::Kill(std::int64_t id) {
  const auto it = workers_.find(id);
  if (it == workers_.end()) return;
  it->second->Stop();
  loop_.Post(alive_.Bind([this, id] { End(id, SIGKILL); }));
}

void ThreadLauncher::EndJob(const JobId& job) {
  for (const auto& [id, worker] : workers_) {
    if (worker->job != job) continue;
    worker->Stop();
    loop_.Post(alive_.Bind([this, id = id] { End(id, SIGKILL); }));
  }
}

}  // namespace mobula::node
