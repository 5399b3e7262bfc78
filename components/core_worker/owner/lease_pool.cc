#include "components/core_worker/owner/lease_pool.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/protocol/convert.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker_methods.h"

namespace mobula::core_worker {
namespace {

/// So many tasks are worth a message of their own.
constexpr std::size_t kPushBatch = 64;

}  // namespace

std::string SchedulingKey::Text() const {
  std::string text;
  for (const auto& [name, amount] : resources.entries()) {
    text += fmt::format("{}={};", name, amount.units());
  }
  return text + fmt::format("/{}/{}", depth, ToText(strategy));
}

LeasePool::LeasePool(Deps deps, Config config, Random random)
    : deps_(deps),
      config_(config),
      raylets_(deps.raylet, deps.peers, [this](rpc::Peer& raylet) { KeepLeases(raylet); }),
      requests_(
          {deps.loop, raylets_, deps.log, random},
          {.backoff_min = config.backoff_min,
           .backoff_max = config.backoff_max,
           .failures_max = config.request_failures_max},
          {.on_grant = [this](Group& group, const std::string& endpoint,
                              const protocol::Grant& grant) { OnGrant(group, endpoint, grant); },
           .on_refused = [this](Group& group, const Error& error) { OnRefused(group, error); }}),
      pipelines_({deps.loop, deps.observer, workers_}, {.tasks_max = config.pipeline_tasks_max,
                                                        .pipeline_time = config.pipeline_time,
                                                        .stall_time = config.stall_time}),
      lost_({raylets_, deps.observer, deps.log}),
      idle_timer_(deps.loop) {}

LeasePool::~LeasePool() = default;

void LeasePool::SetSelf(const protocol::Address& self, const JobId& job,
                        const protocol::Program& program, std::string raylet_endpoint) {
  self_ = {.address = self, .job = job, .program = program};
  requests_.Start(self_);
  raylets_.SetHome(std::move(raylet_endpoint));
}

std::shared_ptr<SchedulingGroup> LeasePool::GroupFor(SchedulingKey key) {
  std::string text = key.Text();
  if (const auto it = groups_.find(text); it != groups_.end()) return it->second;
  // Groups without a task, a worker or a request are looked for each time there are twice as many
  // as were in use the last time. A kind of task that may come again keeps its group itself.
  if (groups_.size() >= groups_prune_at_) {
    std::erase_if(groups_, [](const auto& entry) {
      const auto& group = entry.second;
      return group.use_count() == 1 && group->ready.empty() && group->workers.empty() &&
             group->requests.empty() && !group->is_dirty;
    });
    groups_prune_at_ = 2 * groups_.size() + 64;
  }
  auto group = std::make_shared<SchedulingGroup>();
  group->key = std::move(key);
  return groups_.emplace(std::move(text), std::move(group)).first->second;
}

// ---- tasks ----

void LeasePool::Enqueue(SubmittedTask& task) {
  Group& group = *task.kind->group;
  // Pushed at the end of this turn: many tasks are submitted in a row as a rule, and one message
  // carries them all.
  group.ready.push_back(&task);
  ++enqueued_;
  if (std::exchange(group.is_dirty, true)) return;
  dirty_.push_back(&group);
  SchedulePump(&EventLoop::Defer);
}

TaskSender::Withdrawal LeasePool::Withdraw(SubmittedTask& task) {
  MarkDirty(*task.kind->group);  // fewer tasks may need fewer workers
  return pipelines_.Withdraw(task);
}

// A user who submits a million tasks in a loop should not have to finish before the first one runs.
void LeasePool::PushIfMany() {
  if (enqueued_ >= kPushBatch) PumpDirty();
}

void LeasePool::MarkDirty(Group& group) {
  if (std::exchange(group.is_dirty, true)) return;
  dirty_.push_back(&group);
  SchedulePump(&EventLoop::Post);
}

void LeasePool::SchedulePump(void (EventLoop::*how)(EventLoop::Callback)) {
  if (std::exchange(is_pump_due_, true)) return;
  (deps_.loop.*how)(alive_.Bind([this] {
    is_pump_due_ = false;
    PumpDirty();
  }));
}

void LeasePool::PumpDirty() {
  enqueued_ = 0;
  for (Group* group : std::exchange(dirty_, {})) {
    group->is_dirty = false;
    Pump(*group);
  }
}

/// Brings one group to rest: tasks to workers, then requests for what is left.
void LeasePool::Pump(Group& group) {
  pipelines_.Assign(group);
  requests_.Adjust(group, std::min(pipelines_.MissingWorkers(group), config_.lease_requests_max));
  pipelines_.Balance(group);
  // What others wait for goes back at once, and need not be idle for a while first.
  for (std::size_t i = group.workers.size(); i-- > 0;) {
    LeasedWorker& worker = *group.workers[i];
    const bool is_over = worker.is_reclaimed || (worker.is_wanted_if_idle && group.ready.empty());
    if (is_over && worker.in_flight.empty()) Return(worker);
  }
}

void LeasePool::OnTasksDone(protocol::TasksDoneRequest done) {
  const auto it = workers_.find(LeaseId::FromBinaryOrNil(done.lease_id()));
  if (it == workers_.end()) return;  // lost or returned meanwhile: its tasks run elsewhere
  LeasedWorker& worker = *it->second;
  Group& group = *worker.group;
  if (const Result<void> read = pipelines_.HandleTasksDone(worker, std::move(done)); !read) {
    // Nothing that it says can be believed. Its raylet ends it, and its tasks run again.
    Lose(worker, read.error());
    return;
  }
  // Without work it is kept for a while: the next task of its key then needs no raylet.
  if (worker.in_flight.empty() && !idle_timer_.IsSet()) {
    idle_timer_.Set(config_.lease_idle_max, [this] { ReturnIdle(); });
  }
  Pump(group);
}

// ---- leases begin ----

void LeasePool::OnGrant(Group& group, const std::string& endpoint, const protocol::Grant& grant) {
  MarkDirty(group);
  const LeaseId id = LeaseId::FromBinaryOrNil(grant.lease_id());
  // While we waited for it, other workers took all there was to do.
  if (group.ready.empty()) return raylets_.ReturnLease(endpoint, id);
  auto owned = std::make_unique<LeasedWorker>();
  LeasedWorker& worker = *owned;
  worker.lease_id = id;
  worker.group = &group;
  worker.address = grant.worker();
  worker.place.node = NodeId::FromBinaryOrNil(grant.worker().node_id());
  worker.place.raylet_endpoint = endpoint;
  worker.place.worker_endpoint = protocol::EndpointFor(grant.worker(), self_.address.node_id());
  worker.client = deps_.peers.Get(worker.place.worker_endpoint);
  worker.progress = deps_.loop.Now();  // idle since now, until it gets a task
  group.workers.push_back(&worker);
  workers_.insert_or_assign(id, std::move(owned));
  WatchWorker(worker.place.worker_endpoint, *worker.client);
  OpenLease(worker);
}

void LeasePool::OpenLease(LeasedWorker& worker) {
  protocol::OpenLeaseRequest open;
  open.set_lease_id(std::string(worker.lease_id.Binary()));
  *open.mutable_owner() = self_.address;
  *open.mutable_program() = self_.program;
  open.set_job_id(std::string(self_.job.Binary()));
  worker.client->Call(
      protocol::kOpenLease, open,
      alive_.Bind([this, id = worker.lease_id](const Result<protocol::OpenLeaseReply>& reply) {
        OnOpened(id, reply);
      }));
  // Connected already: what is sent next arrives after it, so tasks need not wait for the answer. A
  // notification to a worker that is not connected yet would be dropped.
  worker.is_open = worker.client->IsConnected();
}

void LeasePool::OnOpened(const LeaseId& id, const Result<protocol::OpenLeaseReply>& reply) {
  const auto it = workers_.find(id);
  if (it == workers_.end()) return;
  LeasedWorker& worker = *it->second;
  // It knows who we are and runs our program. Tasks that waited for that are sent now.
  if (reply) return pipelines_.OnOpened(worker);
  // It cannot be reached, or ended as soon as it began: the same as if it had died at work.
  if (reply.error().code() != ErrorCode::kVersionMismatch) return Lose(worker, reply.error());
  // The worker is well but runs another program than ours: no task of ours can ever run on it.
  worker.withdrawn.clear();
  worker.outbox.clear();
  const std::deque<SubmittedTask*> refused = std::exchange(worker.in_flight, {});
  Return(worker);
  for (SubmittedTask* task : refused) deps_.observer.OnRefused(*task, reply.error());
}

void LeasePool::OnRefused(Group& group, const Error& error) {
  // No worker will come for these, and without one they would wait for ever.
  deps_.log.Info("lease", "refused", "tasks={} reason={}", group.ready.size(), error.message());
  for (SubmittedTask* task : std::exchange(group.ready, {})) deps_.observer.OnRefused(*task, error);
  MarkDirty(group);
}

// After a lost connection that raylet would end our leases, or keep one that we have returned in
// vain: it is told which ones are ours.
void LeasePool::KeepLeases(rpc::Peer& raylet) {
  protocol::KeepLeasesRequest keep;
  keep.set_owner_id(self_.address.worker_id());
  for (const auto& [id, worker] : workers_) keep.add_lease_ids(std::string(id.Binary()));
  lost_.AddLeaseIds(&keep);
  raylet.Notify(protocol::kKeepLeases, keep);
}

// ---- leases end ----

void LeasePool::OnReclaim(const protocol::ReclaimLeasesRequest& reclaim) {
  for (const std::string& binary : reclaim.lease_ids()) {
    const auto it = workers_.find(LeaseId::FromBinaryOrNil(binary));
    if (it == workers_.end() || it->second->is_reclaimed) continue;
    // Other owners have waited for this worker's resources long enough. It gets no new tasks, and
    // goes back when what it runs is done.
    LeasedWorker& worker = *it->second;
    worker.is_reclaimed = true;
    // One task stays: an owner that got a lease runs a task on it, or two owners could take it from
    // each other for ever.
    if (worker.in_flight.size() > 1) pipelines_.TakeBack(worker, 1);
    MarkDirty(*worker.group);
  }
  for (const std::string& binary : reclaim.if_idle_ids()) {
    const auto it = workers_.find(LeaseId::FromBinaryOrNil(binary));
    if (it == workers_.end()) continue;
    // Nobody but us waits, for a worker of another key: this one is given up if it is idle.
    it->second->is_wanted_if_idle = true;
    MarkDirty(*it->second->group);
  }
}

void LeasePool::ReturnIdle() {
  const TimePoint now = deps_.loop.Now();
  std::vector<LeasedWorker*> idle;
  std::optional<Duration> next;
  for (const auto& [id, worker] : workers_) {
    if (!worker->in_flight.empty()) continue;
    const Duration left = worker->progress + config_.lease_idle_max - now;
    if (left <= Duration(0)) {
      idle.push_back(worker.get());
    } else if (!next || left < *next) {
      next = left;
    }
  }
  for (LeasedWorker* worker : idle) Return(*worker);
  if (next) idle_timer_.Set(*next, [this] { ReturnIdle(); });
}

void LeasePool::Return(LeasedWorker& worker) {
  Check(worker.in_flight.empty(), "a lease is returned without tasks");
  raylets_.ReturnLease(worker.place.raylet_endpoint, worker.lease_id);
  Remove(worker);
}

/// Once per client: callbacks of a client cannot be taken away again.
void LeasePool::WatchWorker(const std::string& endpoint, rpc::Client& client) {
  if (!watched_workers_.insert(endpoint).second) return;
  const auto is_there = [endpoint](const LeasedWorker& worker) {
    return worker.place.worker_endpoint == endpoint;
  };
  client.OnDisconnected(
      alive_.Bind([this, is_there](const Error& reason) { LoseAll(is_there, reason); }));
  client.OnGone(alive_.Bind([this, endpoint, is_there](const Error& reason) {
    watched_workers_.erase(endpoint);
    LoseAll(is_there, reason);
  }));
}

void LeasePool::OnNodeDied(const NodeId& node, const std::string& reason) {
  const Error error(ErrorCode::kNodeDied, reason);
  LoseAll([&](const LeasedWorker& worker) { return worker.place.node == node; }, error);
  // Its raylet will not tell how they ended: that the node died is all that is to be known.
  lost_.OnNodeDied(node, error);
  requests_.OnNodeDied(node, error);
}

void LeasePool::LoseAll(const std::function<bool(const LeasedWorker&)>& is_lost,
                        const Error& reason) {
  for (auto next = workers_.begin(); next != workers_.end();) {
    LeasedWorker& worker = *(next++)->second;
    if (is_lost(worker)) Lose(worker, reason);
  }
}

void LeasePool::Lose(LeasedWorker& worker, const Error& reason) {
  // It gets no more tasks from here on; those it has are in doubt until its raylet has spoken.
  const std::unique_ptr<LeasedWorker> lost = Remove(worker);
  lost_.Add(*lost, reason);
}

std::unique_ptr<LeasedWorker> LeasePool::Remove(LeasedWorker& worker) {
  std::erase(worker.group->workers, &worker);
  MarkDirty(*worker.group);
  return std::move(workers_.extract(worker.lease_id).mapped());
}

void LeasePool::Stop() {
  alive_.End();
  idle_timer_.Cancel();
  pipelines_.Stop();
  raylets_.Stop();
  requests_.Stop();
  lost_.Stop();
  dirty_.clear();
  workers_.clear();
  groups_.clear();
}

void LeasePool::CheckInvariants() const {
  for (const auto& [id, worker] : workers_) {
    Check(std::ranges::count(worker->group->workers, worker.get()) == 1,
          "a worker is in its group once");
  }
  for (const auto& [text, group] : groups_) {
    Check(group->requests.size() <= config_.lease_requests_max, "the request bound is kept");
  }
  requests_.CheckInvariants();
  pipelines_.CheckInvariants();
}

}  // namespace mobula::core_worker
