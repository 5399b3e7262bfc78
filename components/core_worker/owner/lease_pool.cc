#include "components/core_worker/owner/lease_pool.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/protocol/raylet.pb.h"
#include "components/protocol/worker_methods.h"

namespace mobula::core_worker {
namespace {

/// So many tasks are worth a message of their own.
constexpr std::size_t kPushBatch = 64;
/// What it costs us to submit a task and take its result: no need for workers that are faster.
constexpr Duration kFeedTime = std::chrono::nanoseconds(500);
/// Values of a message this small share its memory: what one of them keeps alive is not much.
constexpr std::size_t kSharedBytesMax = 4096;

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
      random_(random),
      stall_timer_(deps.loop),
      idle_timer_(deps.loop) {}

LeasePool::~LeasePool() = default;

void LeasePool::SetSelf(const protocol::Address& self, const JobId& job,
                        const protocol::Program& program, std::string raylet_endpoint) {
  self_ = self;
  node_ = NodeId::FromBinaryOrNil(self.node_id());
  job_ = job;
  program_ = program;
  raylet_endpoint_ = std::move(raylet_endpoint);
}

std::shared_ptr<SchedulingGroup> LeasePool::GroupFor(SchedulingKey key) {
  std::string text = key.Text();
  if (const auto it = groups_.find(text); it != groups_.end()) return it->second;
  if (groups_.size() >= groups_prune_at_) {
    std::erase_if(groups_, [](const auto& entry) {
      const auto& group = entry.second;
      return group.use_count() == 1 && group->ready.empty() && group->leases.empty() &&
             group->requests.empty() && !group->is_dirty;
    });
    groups_prune_at_ = 2 * groups_.size() + 64;
  }
  auto group = std::make_shared<SchedulingGroup>();
  group->key = std::move(key);
  return groups_.emplace(std::move(text), std::move(group)).first->second;
}

void LeasePool::Enqueue(SubmittedTask& task) {
  Group& group = *task.kind->group;
  group.ready.push_back(&task);
  ++enqueued_;
  if (std::exchange(group.is_dirty, true)) return;
  dirty_.push_back(&group);
  SchedulePump(&EventLoop::Defer);  // more of them will follow
}

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

/// Brings one group to rest: tasks to leases, then requests for what is left.
void LeasePool::Pump(Group& group) {
  Assign(group);
  for (Lease* lease : group.leases) SendOutbox(*lease);
  AdjustRequests(group);
  Balance(group);
  for (std::size_t i = group.leases.size(); i-- > 0;) {
    Lease& lease = *group.leases[i];
    const bool is_over = lease.is_reclaimed || (lease.is_wanted && group.ready.empty());
    if (is_over && lease.in_flight.empty()) Return(lease);
  }
}

void LeasePool::Assign(Group& group) {
  std::vector<Lease*> usable;
  std::size_t total = group.ready.size();
  for (Lease* lease : group.leases) {
    if (lease->is_reclaimed && lease->is_used) continue;
    usable.push_back(lease);
    total += lease->in_flight.size();
  }
  if (usable.empty() || group.ready.empty()) return;
  const auto slow =
      std::ranges::stable_partition(usable, [](const Lease* lease) { return !lease->is_stalled; });
  if (FedMax(group) < usable.size() - slow.size()) usable.resize(FedMax(group));
  const std::size_t fair_share = (total + usable.size() - 1) / usable.size();
  for (const std::size_t limit : {fair_share, config_.pipeline_tasks_max}) {
    for (Lease* lease : usable) {
      const std::size_t target = std::min(limit, Window(*lease));
      while (lease->in_flight.size() < target && !group.ready.empty() &&
             lease->outbox.size() < kInlineBytesPerMessage) {  // until it is open
        SubmittedTask& task = *group.ready.front();
        const bool is_shared = !lease->in_flight.empty();
        if (is_shared && (task.kind->runs_once() || lease->in_flight.back()->kind->runs_once())) {
          break;
        }
        group.ready.pop_front();
        Push(*lease, task);
      }
    }
  }
}

/// \return how many workers are worth having: more than we can feed only take each other's cores.
std::size_t LeasePool::FedMax(const Group& group) {
  if (!group.task_time) return SIZE_MAX;
  return 1 + static_cast<std::size_t>(*group.task_time / kFeedTime);
}

//! [lease-window]
std::size_t LeasePool::Window(const Lease& lease) const {
  if (lease.is_stalled || lease.is_reclaimed || !lease.group->task_time) return 1;
  const auto each = std::max<std::int64_t>(lease.group->task_time->count(), 1);
  const auto queued = static_cast<std::size_t>(config_.pipeline_time.count() / each);
  return std::min(1 + queued, config_.pipeline_tasks_max);
}
//! [lease-window]

void LeasePool::Push(Lease& lease, SubmittedTask& task) {
  const TaskKind& kind = *task.kind;
  const auto slot = static_cast<std::uint32_t>(kind.number % kConstantsSlots);
  const TaskArguments* arguments = task.arguments.get();
  const bool is_plain = arguments == nullptr || arguments->references.empty();
  const std::string encoded = is_plain ? std::string() : arguments->Encode();
  const std::string_view bytes = arguments == nullptr ? std::string_view()
                                 : is_plain           ? arguments->values
                                                      : encoded;
  if (const std::size_t size = bytes.size() + kind.message.size(); size > kTaskBytesMax) {
    deps_.observer.OnRefused(
        task, Error(ErrorCode::kResourceExhausted,
                    fmt::format("its {} arguments need {} bytes, allowed are {}: pass one object "
                                "that holds them",
                                arguments == nullptr ? 0 : arguments->count, size, kTaskBytesMax)));
    return;
  }
  if (std::exchange(lease.kinds_sent[slot], kind.number) != kind.number) {
    AppendConstants(slot, kind.message, &lease.outbox);
  }
  AppendTask(task.id, task.attempt, slot, bytes, &lease.outbox);
  if (lease.in_flight.empty()) lease.progress = deps_.loop.Now();
  lease.is_used = true;
  lease.in_flight.push_back(&task);
  if (lease.outbox.size() >= kInlineBytesPerMessage) SendOutbox(lease);
  if (lease.in_flight.size() > 1 && !stall_timer_.IsSet()) {
    stall_timer_.Set(config_.stall_time, [this] { CheckStalled(); });
  }
}

void LeasePool::SendOutbox(Lease& lease) {
  if (!lease.is_open || lease.outbox.empty()) return;
  protocol::PushTasksRequest push;
  push.set_lease_id(std::string(lease.id.Binary()));
  push.set_tasks(std::exchange(lease.outbox, {}));
  lease.client->Notify(protocol::kPushTasks, push);
  lease.client->Flush();
}

/// Work for an idle worker that others only have queued.
void LeasePool::Balance(Group& group) {
  if (!group.ready.empty() || !group.task_time) return;
  Lease* longest = nullptr;
  bool is_any_idle = false;
  for (Lease* lease : group.leases) {
    is_any_idle |= lease->in_flight.empty() && !lease->is_reclaimed;
    if (lease->is_taking_back || !lease->is_open) continue;
    if (longest == nullptr || lease->in_flight.size() > longest->in_flight.size()) longest = lease;
  }
  if (!is_any_idle || longest == nullptr || longest->in_flight.size() < 3) return;
  const std::size_t unstarted = longest->in_flight.size() - 1;
  if (unstarted * *group.task_time < config_.pipeline_time / 2) return;  // soon done anyway
  TakeBack(*longest, unstarted / 2);
}

void LeasePool::TakeBack(Lease& lease, std::size_t keep) {
  if (!lease.is_open || lease.is_taking_back) return;
  lease.is_taking_back = true;
  protocol::TakeBackRequest request;
  request.set_lease_id(std::string(lease.id.Binary()));
  request.set_keep(static_cast<std::uint32_t>(keep));
  lease.client->Notify(protocol::kTakeBack, request);
  lease.client->Flush();
}

void LeasePool::CheckStalled() {
  const TimePoint now = deps_.loop.Now();
  bool is_any_queued = false;
  for (const auto& [id, lease] : leases_) {
    if (lease->in_flight.size() < 2 || lease->is_taking_back) continue;
    if (lease->is_open && now - lease->progress >= config_.stall_time) {
      lease->is_stalled = true;
      TakeBack(*lease, 0);
    } else {
      is_any_queued = true;
    }
  }
  if (is_any_queued) stall_timer_.Set(config_.stall_time, [this] { CheckStalled(); });
}

void LeasePool::OnTasksDone(protocol::TasksDoneRequest done) {
  const auto it = leases_.find(LeaseId::FromBinaryOrNil(done.lease_id()));
  if (it == leases_.end()) return;  // lost or returned meanwhile: its tasks run elsewhere
  Lease& lease = *it->second;
  Group& group = *lease.group;
  lease.progress = deps_.loop.Now();
  lease.is_taking_back = false;
  if (!SettleValues(lease, std::move(*done.mutable_values()))) {
    Lose(lease, Error(ErrorCode::kCorrupt, "the worker's results are not well formed"));
    return;
  }
  std::vector<SubmittedTask*> given_back;
  for (protocol::TaskResult& result : *done.mutable_tasks()) {
    Settle(lease, std::move(result), given_back);
  }
  group.ready.insert(group.ready.begin(), given_back.begin(), given_back.end());
  if (lease.in_flight.empty() && !idle_timer_.IsSet()) {
    idle_timer_.Set(config_.lease_idle_max, [this] { ReturnIdle(); });
  }
  Pump(group);
}

/// A worker answers in the order pushed, as a rule.
SubmittedTask* LeasePool::TakeInFlight(Lease& lease, std::string_view id, std::uint32_t attempt) {
  const auto it = std::ranges::find_if(lease.in_flight, [&](const SubmittedTask* task) {
    return task->id.Binary() == id && task->attempt == attempt;
  });
  if (it == lease.in_flight.end()) return nullptr;
  SubmittedTask* const task = *it;
  lease.in_flight.erase(it);
  return task;
}

void LeasePool::Measure(Lease& lease, Duration took) {
  lease.is_stalled = false;
  std::optional<Duration>& mean = lease.group->task_time;
  mean = mean ? (*mean * 4 + took) / 5 : took;
}

bool LeasePool::SettleValues(Lease& lease, std::string values) {
  if (values.empty()) return true;
  const Payload all = Payload::FromString(std::move(values));
  BatchReader reader(all.text());
  for (ValueEntry entry; reader.Next(&entry);) {
    SubmittedTask* const task = TakeInFlight(lease, entry.id.Binary(), entry.attempt);
    if (task == nullptr) continue;
    Measure(lease, Duration(entry.duration_ns));
    const auto place = static_cast<std::size_t>(entry.bytes.data() - all.text().data());
    deps_.observer.OnValue(*task,
                           all.size() <= kSharedBytesMax
                               ? all.Slice(place, entry.bytes.size())
                               : Payload::FromString(std::string(entry.bytes)),
                           lease.place);
  }
  return !reader.IsCorrupt();
}

void LeasePool::Settle(Lease& lease, protocol::TaskResult result,
                       std::vector<SubmittedTask*>& given_back) {
  SubmittedTask* const task = TakeInFlight(lease, result.task_id(), result.attempt());
  if (task == nullptr) return;
  if (!result.unstarted()) {
    Measure(lease, Duration(result.duration_ns()));
    deps_.observer.OnFinished(*task, std::move(result), lease.place);
    return;
  }
  lease.is_stalled = true;  // it blocks, runs long, or lacks arguments: no more until it finishes
  if (result.missing_ids().empty()) {
    given_back.push_back(task);
  } else {
    deps_.observer.OnArgumentsMissing(*task, result);
  }
}

void LeasePool::ReturnIdle() {
  const TimePoint now = deps_.loop.Now();
  std::vector<Lease*> idle;
  std::optional<Duration> next;
  for (const auto& [id, lease] : leases_) {
    if (!lease->in_flight.empty()) continue;
    const Duration left = lease->progress + config_.lease_idle_max - now;
    if (left <= Duration(0)) {
      idle.push_back(lease.get());
    } else if (!next || left < *next) {
      next = left;
    }
  }
  for (Lease* lease : idle) Return(*lease);
  if (next) idle_timer_.Set(*next, [this] { ReturnIdle(); });
}

void LeasePool::OnReclaim(const protocol::ReclaimLeasesRequest& reclaim) {
  for (const std::string& binary : reclaim.lease_ids()) {
    const auto it = leases_.find(LeaseId::FromBinaryOrNil(binary));
    if (it == leases_.end() || it->second->is_reclaimed) continue;
    Lease& lease = *it->second;
    lease.is_reclaimed = true;
    // Whoever got a lease runs a task on it, or two owners could take it from each other for ever.
    if (lease.in_flight.size() > 1) TakeBack(lease, 1);
    MarkDirty(*lease.group);
  }
  for (const std::string& binary : reclaim.if_idle_ids()) {
    const auto it = leases_.find(LeaseId::FromBinaryOrNil(binary));
    if (it == leases_.end()) continue;
    it->second->is_wanted = true;
    MarkDirty(*it->second->group);
  }
}

void LeasePool::Stop() {
  alive_.End();
  stall_timer_.Cancel();
  idle_timer_.Cancel();
  dirty_.clear();
  leases_.clear();
  requests_.clear();
  lost_.clear();
  groups_.clear();
}

void LeasePool::CheckInvariants() const {
  for (const auto& [id, lease] : leases_) {
    Check(std::count(lease->group->leases.begin(), lease->group->leases.end(), lease.get()) == 1,
          "a lease is in its group once");
    Check(lease->outbox.empty() || !lease->in_flight.empty(), "what is not sent yet is in flight");
    Check(lease->in_flight.size() <= config_.pipeline_tasks_max, "the pipeline bound is kept");
  }
  for (const auto& [id, request] : requests_) {
    Check(request.group->requests.contains(id), "a request is in its group");
  }
  for (const auto& [text, group] : groups_) {
    Check(group->requests.size() <= config_.lease_requests_max, "the request bound is kept");
  }
}

}  // namespace mobula::core_worker
