/// \file
/// \brief The worker processes of one node: started ahead, handed out, taken back, reaped.
///
///     Start ─► starting ──RegisterWorker──► idle ──Take──► leased ──GiveBack──► idle
///                 └─start timeout, exit─► (dead)   └─too long idle─► asked to exit ─► (dead)
///
/// A job's first workers are started when its driver registers, one per core, so that the first
/// task finds one. More are started on demand (blocked workers hold no CPU, so there may be many),
/// at most `workers_max`.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "components/base/event_log.h"
#include "components/base/event_loop.h"
#include "components/base/file_system.h"
#include "components/base/lifetime.h"
#include "components/base/metrics.h"
#include "components/base/random.h"
#include "components/protocol/gcs.pb.h"
#include "components/protocol/raylet.pb.h"
#include "components/raylet/raylet_config.h"
#include "components/raylet/worker_deaths.h"
#include "components/raylet/worker_launcher.h"
#include "components/transport/rpc/peer.h"

namespace mobula::raylet {

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it.
class WorkerPool {
 public:
  struct Deps {
    EventLoop& loop;
    WorkerLauncher& launcher;
    FileSystem& files;
    EventLog& log;
    Metrics& metrics;
    Random random;
  };
  using OnWorker = Done<protocol::Address>;
  using OnDeath = WorkerDeaths::OnDeath;
  enum class IfAlive : std::uint8_t { kKill, kWait };

  /// \param on_death is called for every registered worker or driver that ended.
  WorkerPool(Deps deps, const RayletConfig& config,
             std::function<void(const protocol::WorkerDeath&)> on_death);
  ~WorkerPool();

  /// A driver began: starts its first workers. Nothing happens if the job has ended: requests of it
  /// may come late. \pre `program.path` is valid here, or empty for launchers that need none.
  void AddJob(const JobId& job, protocol::Program program);
  [[nodiscard]] bool HasJob(const JobId& job) const { return jobs_.contains(job); }
  /// The job is over: its workers are killed, waiting `Take`s fail with kCancelled.
  void EndJob(const JobId& job);

  /// A process of this node registered. \return kInvalidArgument for a startup id we do not know
  /// (it came too late, or is none of ours).
  Result<void> Register(const protocol::RegisterWorkerRequest& request, rpc::Peer& peer);
  void RegisterDriver(const protocol::Address& address, const JobId& job, rpc::Peer& peer);

  /// Hands out an idle worker of the job, or starts one. kNotFound: the program cannot be started;
  /// kWorkerDied: it ended, or did not register in time; kResourceExhausted at `workers_max`;
  /// kCancelled: the job ended.
  void Take(const JobId& job, OnWorker done);
  /// The lease is over; the worker is idle again.
  void GiveBack(const WorkerId& id);
  /// Ends a worker by force; it counts as died.
  void Kill(const WorkerId& id);
  /// The connection of a worker or driver is lost: a driver is gone, a worker must be.
  void OnPeerClosed(rpc::Peer& peer);

  /// Tells how a worker or driver ended, once it has. A live worker that its owner cannot reach is
  /// killed (`kKill`), after a little time to end by itself. nullopt: unknown here.
  void DescribeDeath(const WorkerId& worker, OnDeath done, IfAlive if_alive = IfAlive::kKill);

  [[nodiscard]] const WorkerId* WorkerAt(const rpc::Peer& peer) const;
  void ForEachPeer(const std::function<void(rpc::Peer&)>& visit) const;
  [[nodiscard]] std::size_t worker_count() const;
  [[nodiscard]] std::size_t idle_count() const;
  [[nodiscard]] std::size_t driver_count() const;
  void Stop();

 private:
  enum class State : std::uint8_t { kStarting, kIdle, kLeased, kDriver };
  struct Worker {
    WorkerId id;  // startup id until it has registered
    JobId job;
    State state = State::kStarting;
    std::int64_t pid = 0;
    protocol::Address address;
    rpc::Peer* peer = nullptr;
    std::string log_path;
    TimePoint idle_since{};
    std::unique_ptr<Timer> deadline;  // start, or end after a lost connection
  };
  struct Job {
    protocol::Program program;
    std::deque<WorkerId> idle;  // most recently used at the back: hot ones first
    std::deque<OnWorker> waiting;
    std::size_t starting = 0;
    std::size_t failures = 0;  // starts that failed in a row
  };
  void StartWorker(const JobId& job);
  void OnStarted(const WorkerId& startup, Result<std::int64_t> pid);
  void OnExit(const WorkerId& startup, ExitStatus status);
  /// One start less; after `failures_max` in a row, those who wait for a worker get `error`.
  void FailStart(const JobId& job, const Error& error, std::size_t failures_max);
  void Offer(const WorkerId& id);
  /// The process is gone: removes its record, and tells those who ask how it ended.
  void HandleEnd(const WorkerId& key, std::string cause);
  void ReapIdle();
  void StartAsNeeded(Job& job, const JobId& id);
  Worker* FindByStartup(const WorkerId& startup);
  [[nodiscard]] std::string LogTail(const std::string& path) const;

  Deps deps_;
  const RayletConfig& config_;
  std::function<void(const protocol::WorkerDeath&)> on_death_;
  std::map<JobId, Job> jobs_;
  std::set<JobId> ended_jobs_;                 // ids count up: of too many the first is the oldest
  std::map<WorkerId, Worker> workers_;         // by startup id for ours, by worker id for drivers
  std::map<WorkerId, WorkerId> by_worker_id_;  // registered id → key of workers_
  std::map<const rpc::Peer*, WorkerId> by_peer_;
  WorkerDeaths deaths_;
  Timer reap_timer_;
  std::int64_t& started_;  // counters of `Metrics`
  std::int64_t& ended_;
  bool stopped_ = false;
  Lifetime alive_;
};

}  // namespace mobula::raylet
