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
  int code = 0;  // written by the thread before it tells its end

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
  // Threads use the loop until they have ended, so all are told to stop before the first is waited
  // for.
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
  // Posted before the thread runs, which may end at once: the start is told before the end.
  loop_.Post(alive_.Bind([id, started = std::move(started)]() mutable { started(id); }));
  auto ended = alive_.Bind([this, id, worker] { End(id, {.code = worker->code, .signal = 0}); });
  threads_.emplace_back([worker, options, ended, &loop = loop_] {
    Result<std::unique_ptr<ProcessRuntime>> process = ProcessRuntime::Start(options);
    if (process && worker->Begin(process->get())) {
      internal::SetThreadRuntime(&(*process)->runtime());
      (*process)->RunTasks();
      internal::SetThreadRuntime(nullptr);
    }
    // From here on a stop finds nothing to stop, and the process can be taken down.
    worker->Begin(nullptr);
    if (process) process->reset();
    // A worker that could not join its node ends as a process does whose `Init` throws.
    if (!process) worker->code = 1;
    loop.Post(ended);
  });
}

void ThreadLauncher::End(std::int64_t id, ExitStatus status) {
  // Its thread ends some time after a kill was told. The raylet has forgotten it by then.
  const auto it = workers_.find(id);
  if (it == workers_.end()) return;
  auto on_exit = std::move(it->second->on_exit);
  workers_.erase(it);
  on_exit(status);
}

void ThreadLauncher::Kill(std::int64_t id) {
  const auto it = workers_.find(id);
  if (it == workers_.end()) return;
  // A thread cannot be killed. It is told to stop after its task, and the raylet, which waits for
  // the end of a killed worker, is told at once: before the thread can tell of an end of its own.
  loop_.Post(alive_.Bind([this, id] { End(id, {.code = 0, .signal = SIGKILL}); }));
  it->second->Stop();
}

void ThreadLauncher::EndJob(const JobId& job) {
  for (const auto& [id, worker] : workers_) {
    if (worker->job == job) Kill(id);
  }
}

}  // namespace mobula::node
