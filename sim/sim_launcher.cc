#include "sim/sim_launcher.h"

#include <csignal>

namespace mobula::sim {

SimulatedLauncher::SimulatedLauncher(World& world, EventLoop& loop, std::string host)
    : world_(world),
      loop_(loop),
      host_(std::move(host)),
      random_(world.loop.random().Fork(host_ + ".launcher")) {}

SimulatedLauncher::~SimulatedLauncher() {
  KillAll();
  workers_.clear();
}

void SimulatedLauncher::Start(raylet::WorkerSpec spec, Done<std::int64_t> started, OnExit on_exit) {
  // To start takes a while, in which anything may happen: its job may end, or its host lose power.
  const std::int64_t pid = ++last_pid_;
  on_exit_.emplace(pid, std::move(on_exit));
  jobs_.emplace(pid, spec.job);
  const auto wait = std::chrono::microseconds(random_.Below(kStartTimeMaxUs));
  loop_.Schedule(wait, alive_.Bind([this, pid, spec = std::move(spec),
                                    started = std::move(started)]() mutable {
    // Its job was ended while it started. It never ran, so there is no end to tell either.
    if (!on_exit_.contains(pid)) {
      return started(Fail(ErrorCode::kCancelled, "job {} has ended", spec.job.Hex()));
    }
    is_started_.insert(pid);
    started(pid);
    // The raylet may have had no use for it any more and has killed it in that very call.
    if (on_exit_.contains(pid)) Begin(pid, std::move(spec));
  }));
}

void SimulatedLauncher::Begin(std::int64_t pid, raylet::WorkerSpec spec) {
  core_worker::AssemblyOptions options;
  options.raylet_endpoint = spec.raylet_endpoint;
  options.program = std::move(spec.program);
  options.job = spec.job;
  options.id = spec.startup_id;
  options.pid = pid;
  auto& worker = workers_[pid];
  worker = std::make_unique<SimulatedProcess>(world_, fmt::format("{}.w{}", host_, pid),
                                              std::move(options));
  // Its raylet tells it to end, or is lost: it ends as a process does that returns from `main`.
  worker->OnEnd([this, pid](const Error&) { End(pid, {.code = 0, .signal = 0}); });
  worker->Start([this, pid](Result<void> joined) {
    // Its raylet has refused it, or is gone. A real worker says so in its log and exits.
    if (!joined) End(pid, {.code = 1, .signal = 0});
  });
}

void SimulatedLauncher::Kill(std::int64_t pid) { End(pid, {.code = 0, .signal = SIGKILL}); }

void SimulatedLauncher::EndJob(const JobId& job) {
  std::vector<std::int64_t> ending;
  for (const auto& [pid, of] : jobs_) {
    if (of == job) ending.push_back(pid);
  }
  for (const std::int64_t pid : ending) Kill(pid);
}

void SimulatedLauncher::End(std::int64_t pid, ExitStatus status) {
  auto on_exit = on_exit_.extract(pid);
  if (on_exit.empty()) return;
  jobs_.erase(pid);
  // Silent at once, and destroyed by a later event: this may be a callback of the worker itself.
  if (auto worker = workers_.extract(pid)) {
    worker.mapped()->Kill();
    world_.capacity.OnWorkerEnded(worker.mapped()->core().self());
    world_.loop.Post([dead = std::move(worker.mapped())]() mutable { dead.reset(); });
  }
  if (is_started_.erase(pid) == 0) return;  // its start will be told to have failed
  loop_.Post(alive_.Bind([status, tell = std::move(on_exit.mapped())]() mutable { tell(status); }));
}

void SimulatedLauncher::KillAll() {
  // The host loses power, and the raylet with it: nobody is left to be told of any end.
  alive_.End();
  on_exit_.clear();
  jobs_.clear();
  for (const auto& [pid, worker] : workers_) worker->Kill();
}

}  // namespace mobula::sim
