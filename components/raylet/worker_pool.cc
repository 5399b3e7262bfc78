// \edge: takes messages apart and calls what the chapter explains
#include "components/raylet/worker_pool.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/protocol/gcs.pb.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::raylet {
namespace {

constexpr std::size_t kEndedJobsMax = 10'000;
constexpr std::size_t kStartFailuresMax = 3;  // in a row, then waiting leases fail
constexpr std::size_t kStartDeathsMax = 10;   // the same, by death: somebody may be killing them
constexpr Duration kExitAfterLostConnection = std::chrono::seconds(2);
constexpr Duration kReapPeriod = std::chrono::seconds(1);
constexpr std::size_t kLogTailBytes = 2000;

/// How many workers of a job are started ahead, and kept though idle.
std::size_t KeptWorkers(const RayletConfig& config) {
  if (config.prestart_workers > 0) return config.prestart_workers;
  return static_cast<std::size_t>(std::max(1.0, config.resources.Get(kCpu).ToDouble()));
}

}  // namespace

WorkerPool::WorkerPool(Deps deps, const RayletConfig& config,
                       std::function<void(const protocol::WorkerDeath&)> on_death)
    : deps_(deps),
      config_(config),
      on_death_(std::move(on_death)),
      reap_timer_(deps_.loop),
      started_(deps_.metrics.Counter("workers_started_total")),
      ended_(deps_.metrics.Counter("workers_ended_total")) {}

WorkerPool::~WorkerPool() { Stop(); }

void WorkerPool::Stop() {
  if (std::exchange(stopped_, true)) return;
  // Nobody is told of the ends that follow: the node itself ends, and with it all that would care.
  alive_.End();
  reap_timer_.Cancel();
  for (const auto& [job, record] : jobs_) deps_.launcher.EndJob(job);
  for (const auto& [key, worker] : workers_) {
    if (worker.state != State::kDriver && worker.pid != 0) deps_.launcher.Kill(worker.pid);
  }
  jobs_.clear();
  workers_.clear();
  by_worker_id_.clear();
  by_peer_.clear();
  deaths_.Stop();
}

void WorkerPool::AddJob(const JobId& job, protocol::Program program) {
  // A request that was under way when its job ended must not start workers for it.
  if (stopped_ || jobs_.contains(job) || ended_jobs_.contains(job)) return;
  Job& record = jobs_[job];
  record.program = std::move(program);
  const std::size_t count = std::min(KeptWorkers(config_), config_.workers_max);
  // The first tasks of the job shall find workers that are ready, so these start unasked.
  for (std::size_t i = 0; i < count; ++i) StartWorker(job);
  if (!reap_timer_.IsSet()) reap_timer_.Set(kReapPeriod, [this] { ReapIdle(); });
}

void WorkerPool::EndJob(const JobId& job) {
  // Requests of this job may still be on their way. They must not bring it back.
  if (ended_jobs_.size() >= kEndedJobsMax) ended_jobs_.erase(ended_jobs_.begin());
  ended_jobs_.insert(job);
  const auto it = jobs_.find(job);
  if (it == jobs_.end()) return;
  // Its record goes first: the callbacks below may come back here, and must find it gone.
  std::deque<OnWorker> waiting = std::move(it->second.waiting);
  jobs_.erase(it);
  deps_.launcher.EndJob(job);
  for (OnWorker& done : waiting) done(Fail(ErrorCode::kCancelled, "job {} has ended", job.Hex()));
}

void WorkerPool::StartWorker(const JobId& job) {
  Job& record = jobs_.at(job);
  const auto startup = deps_.random.NewId<WorkerId>();
  Worker& worker = workers_[startup];
  worker.id = startup;
  worker.job = job;
  if (!config_.log_folder.empty()) {
    worker.log_path =
        fmt::format("{}/worker-{}-{}.log", config_.log_folder, job.Hex(), startup.Short());
  }
  // A process that hangs before it registers would keep a waiting lease for ever.
  worker.deadline = std::make_unique<Timer>(deps_.loop);
  worker.deadline->Set(config_.worker_start_timeout, [this, startup, job] {
    const Worker late = std::move(workers_.at(startup));
    workers_.erase(startup);  // if it comes after all, it is killed
    if (late.pid != 0) deps_.launcher.Kill(late.pid);
    FailStart(job,
              Error(ErrorCode::kWorkerDied,
                    "a worker of job {} did not register within {}; its log "
                    "ends: {}",
                    job.Hex(), FormatTime(config_.worker_start_timeout), LogTail(late.log_path)),
              kStartFailuresMax);
  });
  ++record.starting;
  ++started_;
  deps_.launcher.Start(
      {.startup_id = startup,
       .job = job,
       .program = record.program,
       .raylet_endpoint = config_.local_listen_endpoint,
       .log_path = worker.log_path},
      alive_.Bind(
          [this, startup](Result<std::int64_t> pid) { OnStarted(startup, std::move(pid)); }),
      alive_.Bind([this, startup](ExitStatus status) { OnExit(startup, status); }));
}

void WorkerPool::OnStarted(const WorkerId& startup, Result<std::int64_t> pid) {
  Worker* worker = FindByStartup(startup);
  if (worker == nullptr) {
    // It took so long that its start counts as failed, and another was started in its place.
    if (pid) deps_.launcher.Kill(*pid);
    return;
  }
  // The process runs, and will register itself.
  if (pid) {
    worker->pid = *pid;
    return;
  }
  // It had registered before the launcher could tell its pid, and then the zygote died and took it
  // along. So this failed start is the end of a worker that others already know.
  if (worker->state != State::kStarting) return HandleEnd(startup, pid.error().message());
  const JobId job = worker->job;
  workers_.erase(startup);
  FailStart(job, pid.error(), kStartFailuresMax);
}

void WorkerPool::FailStart(const JobId& job, const Error& error, std::size_t failures_max) {
  const auto it = jobs_.find(job);
  if (it == jobs_.end()) return;
  --it->second.starting;
  deps_.log.Error("worker", "start_failed", "job={} error=\"{}\"", job.Hex(), error.ToString());
  // A missing program will be missing the next time too. Other failures may pass, so a few more
  // starts are tried before those who wait for a worker get the error.
  const bool is_hopeless = error.code() == ErrorCode::kNotFound;
  if (!is_hopeless && ++it->second.failures < failures_max) return StartAsNeeded(it->second, job);
  for (OnWorker& done : std::exchange(it->second.waiting, {})) done(Fail(error));
}

Result<void> WorkerPool::Register(const protocol::RegisterWorkerRequest& request, rpc::Peer& peer) {
  const WorkerId startup = WorkerId::FromBinaryOrNil(request.startup_id());
  Worker* worker = FindByStartup(startup);
  // It may be one that took so long that its start was given up, or a process of somebody else.
  if (worker == nullptr || (worker->state != State::kStarting && worker->peer != &peer)) {
    return Fail(ErrorCode::kInvalidArgument, "this raylet has not started a worker {}",
                startup.Short());
  }
  if (worker->state != State::kStarting) return {};  // the same message again
  // From now on it can be reached: it gets the id it chose, and its connection is its life line.
  worker->address = request.address();
  worker->id = WorkerId::FromBinaryOrNil(request.address().worker_id());
  worker->pid = worker->pid != 0 ? worker->pid : request.address().pid();
  worker->peer = &peer;
  worker->deadline.reset();
  by_worker_id_[worker->id] = startup;
  by_peer_[&peer] = worker->id;
  const auto job = jobs_.find(worker->job);
  if (job == jobs_.end()) {  // its job ended while it started
    deps_.launcher.Kill(worker->pid);
    return Fail(ErrorCode::kCancelled, "job {} has ended", worker->job.Hex());
  }
  // One that registers shows that the program can run here: earlier failures no longer count.
  --job->second.starting;
  job->second.failures = 0;
  deps_.log.Info("worker", "registered", "worker={} pid={} job={}", worker->id.Short(), worker->pid,
                 worker->job.Hex());
  Offer(worker->id);
  return {};
}

void WorkerPool::RegisterDriver(const protocol::Address& address, const JobId& job,
                                rpc::Peer& peer) {
  const WorkerId id = WorkerId::FromBinaryOrNil(address.worker_id());
  Worker& driver = workers_[id];
  // It has connected again, before the loss of its old connection was noticed here.
  if (driver.peer != nullptr) by_peer_.erase(driver.peer);
  driver.id = id;
  driver.job = job;
  driver.state = State::kDriver;
  driver.pid = address.pid();
  driver.address = address;
  driver.peer = &peer;
  by_worker_id_[id] = id;
  by_peer_[&peer] = id;
}

void WorkerPool::Take(const JobId& job, OnWorker done) {
  const auto it = jobs_.find(job);
  if (it == jobs_.end()) return done(Fail(ErrorCode::kCancelled, "job {} has ended", job.Hex()));
  Job& record = it->second;
  if (!record.idle.empty()) {
    // The one used last has its code and data still in the caches.
    const WorkerId id = record.idle.back();
    record.idle.pop_back();
    Worker& worker = workers_.at(by_worker_id_.at(id));
    worker.state = State::kLeased;
    done(worker.address);
    return;
  }
  // None is idle. The request gets the first that comes free, be it one returned or a new one.
  record.waiting.push_back(std::move(done));
  StartAsNeeded(record, job);
}

void WorkerPool::StartAsNeeded(Job& job, const JobId& id) {
  while (job.starting < job.waiting.size()) {
    if (worker_count() >= config_.workers_max) {
      // All that the node may have are starting for this job: one of them will serve this wish.
      if (worker_count() == job.starting) return;
      OnWorker done = std::move(job.waiting.back());
      job.waiting.pop_back();
      done(Fail(
          ErrorCode::kResourceExhausted,
          "this node already has {} worker processes (workers.max), of all jobs, those blocked "
          "in Get included",
          config_.workers_max));
      return;
    }
    StartWorker(id);
  }
}

void WorkerPool::Offer(const WorkerId& id) {
  Worker& worker = workers_.at(by_worker_id_.at(id));
  Job& job = jobs_.at(worker.job);
  if (!job.waiting.empty()) {
    // First come, first served; the worker is never idle in between.
    OnWorker done = std::move(job.waiting.front());
    job.waiting.pop_front();
    worker.state = State::kLeased;
    done(worker.address);
    return;
  }
  worker.state = State::kIdle;
  worker.idle_since = deps_.loop.Now();
  job.idle.push_back(id);
}

void WorkerPool::GiveBack(const WorkerId& id) {
  const auto it = by_worker_id_.find(id);
  if (it == by_worker_id_.end()) return;
  Worker& worker = workers_.at(it->second);
  // A worker whose connection is lost is about to end and serves nobody any more.
  if (worker.state != State::kLeased || worker.peer == nullptr) return;
  if (jobs_.contains(worker.job)) Offer(id);
}

void WorkerPool::Kill(const WorkerId& id) {
  const auto it = by_worker_id_.find(id);
  if (it == by_worker_id_.end()) return;
  const Worker& worker = workers_.at(it->second);
  // A driver is its user's process and not ours to end. Its record stays until its connection is
  // lost.
  if (worker.state != State::kDriver) deps_.launcher.Kill(worker.pid);
}

void WorkerPool::OnPeerClosed(rpc::Peer& peer) {
  const auto known = by_peer_.extract(&peer);
  if (known.empty()) return;
  const WorkerId id = known.mapped();
  const WorkerId key = by_worker_id_.at(id);
  Worker& worker = workers_.at(key);
  worker.peer = nullptr;
  // Nobody but its user starts and ends a driver, so its connection is all we know of it.
  if (worker.state == State::kDriver)
    return HandleEnd(key, "the driver ended or lost its connection");
  if (const auto job = jobs_.find(worker.job); job != jobs_.end()) std::erase(job->second.idle, id);
  // The launcher will tell soon how it ended. One that only closed its connection is killed: it
  // could neither be told to stop nor be leased again.
  worker.deadline = std::make_unique<Timer>(deps_.loop);
  worker.deadline->Set(kExitAfterLostConnection,
                       [this, pid = worker.pid] { deps_.launcher.Kill(pid); });
}

void WorkerPool::OnExit(const WorkerId& startup, ExitStatus status) {
  // The launcher tells the end of every process. One that registered too late is no longer known.
  Worker* worker = FindByStartup(startup);
  if (worker == nullptr) return;
  const JobId job = worker->job;
  const bool was_starting = worker->state == State::kStarting;
  const std::string cause = status.ToString();
  const std::string log_path = worker->log_path;
  HandleEnd(startup, cause);
  if (was_starting) {
    FailStart(job,
              Error(ErrorCode::kWorkerDied,
                    "a worker of job {} ended before it registered: {}; its log "
                    "ends: {}",
                    job.Hex(), cause, LogTail(log_path)),
              kStartDeathsMax);
  }
}

void WorkerPool::HandleEnd(const WorkerId& key, std::string cause) {
  const auto it = workers_.find(key);
  const Worker worker = std::move(it->second);
  workers_.erase(it);
  if (worker.peer != nullptr) by_peer_.erase(worker.peer);
  // A killed process leaves the file of its socket behind.
  const auto local = transport::ParseEndpoint(LocalEndpointOf(key, config_.local_listen_endpoint));
  if (local && local->scheme.ends_with("unix")) (void)deps_.files.Remove(local->path);
  by_worker_id_.erase(worker.id);
  // One that never registered is no death to anybody; `FailStart` deals with it.
  if (worker.state == State::kStarting) return;
  ++ended_;
  if (const auto job = jobs_.find(worker.job); job != jobs_.end()) {
    std::erase(job->second.idle, worker.id);
  }
  protocol::WorkerDeath death;
  death.set_worker_id(std::string(worker.id.Binary()));
  death.set_node_id(std::string(config_.node_id.Binary()));
  death.set_pid(worker.pid);
  death.set_cause(std::move(cause));
  death.set_log_tail(LogTail(worker.log_path));
  death.set_is_driver(worker.state == State::kDriver);
  death.set_job_id(std::string(worker.job.Binary()));
  deps_.log.Info("worker", "ended", "worker={} pid={} cause=\"{}\"", worker.id.Short(), worker.pid,
                 death.cause());
  deaths_.Record(death);
  on_death_(death);
}

void WorkerPool::DescribeDeath(const WorkerId& worker, OnDeath done, IfAlive if_alive) {
  if (const protocol::WorkerDeath* death = deaths_.Find(worker)) return done(*death);
  const auto it = by_worker_id_.find(worker);
  if (it == by_worker_id_.end()) return done(std::nullopt);
  // It is alive as far as we know. The answer comes when it ends.
  deaths_.Await(worker, std::move(done));
  Worker& record = workers_.at(it->second);
  // Its owner has lost it and cannot use it again. It gets a little time to end by itself, so that
  // its own exit status is the answer, and is then killed.
  if (record.deadline || if_alive == IfAlive::kWait) return;
  record.deadline = std::make_unique<Timer>(deps_.loop);
  record.deadline->Set(kExitAfterLostConnection,
                       [this, pid = record.pid] { deps_.launcher.Kill(pid); });
}

void WorkerPool::ReapIdle() {
  for (auto& [id, job] : jobs_) {
    if (job.idle.size() <= KeptWorkers(config_)) continue;
    const WorkerId oldest = job.idle.front();
    Worker& worker = workers_.at(by_worker_id_.at(oldest));
    if (deps_.loop.Now() - worker.idle_since < config_.worker_idle_max) continue;
    // It may own objects that others need; only the worker itself knows. If it stays, it is idle
    // again.
    job.idle.pop_front();
    worker.state = State::kLeased;  // not handed out while it is asked
    worker.peer->Call(protocol::kExitWorker, protocol::ExitWorkerRequest(),
                      alive_.Bind([this, oldest](Result<protocol::ExitWorkerReply> reply) {
                        if (!reply || !reply->will_exit()) GiveBack(oldest);
                      }));
  }
  reap_timer_.Set(kReapPeriod, [this] { ReapIdle(); });
}

WorkerPool::Worker* WorkerPool::FindByStartup(const WorkerId& startup) {
  const auto it = workers_.find(startup);
  return it == workers_.end() ? nullptr : &it->second;
}

std::string WorkerPool::LogTail(const std::string& path) const {
  if (path.empty()) return {};
  return deps_.files.ReadTail(path, kLogTailBytes).value_or(std::string());
}

const WorkerId* WorkerPool::WorkerAt(const rpc::Peer& peer) const {
  const auto it = by_peer_.find(&peer);
  return it == by_peer_.end() ? nullptr : &it->second;
}

void WorkerPool::ForEachPeer(const std::function<void(rpc::Peer&)>& visit) const {
  for (const auto& [key, worker] : workers_) {
    if (worker.peer != nullptr) visit(*worker.peer);
  }
}

std::size_t WorkerPool::worker_count() const { return workers_.size() - driver_count(); }

std::size_t WorkerPool::idle_count() const {
  std::size_t count = 0;
  for (const auto& [id, job] : jobs_) count += job.idle.size();
  return count;
}

std::size_t WorkerPool::driver_count() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      workers_, [](const auto& entry) { return entry.second.state == State::kDriver; }));
}

}  // namespace mobula::raylet
