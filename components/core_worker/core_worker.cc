#include "components/core_worker/core_worker.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/core_worker/owner/lease_pool.h"
#include "components/core_worker/owner/object_getter.h"
#include "components/core_worker/owner/status_codec.h"
#include "components/core_worker/owner/task_table.h"
#include "components/core_worker/worker/execution.h"
#include "components/core_worker/worker/result_sender.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker_methods.h"

namespace mobula::core_worker {
namespace {

/// Above the attempts' shares of the index space, see `Submit`.
constexpr int kAttemptShift = 40;
/// Kinds of tasks that are known without being made anew.
constexpr std::size_t kKindsMax = 64;

}  // namespace

class CoreWorker::Impl {
 public:
  Impl(Deps the_deps, CoreWorkerConfig the_config)
      : deps(the_deps),
        config(the_config),
        references({deps.loop, deps.peers, deps.raylet, deps.log}, {},
                   {.on_lost = [this](const ObjectId& id) { tasks.OnObjectLost(id); },
                    .on_released = [this](const ObjectId& id) { tasks.OnObjectReleased(id); }}),
        getter(references),
        sender({deps.loop, deps.raylet, references}),
        tasks({deps.loop, references, deps.peers, deps.log},
              {.lineage_bytes_max = config.lineage_bytes_max,
               .reconstructions_max = config.reconstructions_max}),
        leases({deps.loop, deps.peers, deps.raylet, deps.log, tasks},
               {.lease_requests_max = config.lease_requests_max,
                .pipeline_tasks_max = config.pipeline_tasks_max,
                .pipeline_time = config.pipeline_time,
                .lease_idle_max = config.lease_idle_max},
               deps.random.Fork("leases")),
        execution({deps.loop, deps.raylet, references, getter, sender}) {}

  [[nodiscard]] TaskContext& ContextOf(TaskHandle caller) {
    return caller != nullptr ? caller->context : own_context;
  }
  [[nodiscard]] TaskKindPtr KindOf(const internal::FunctionKey& function,
                                   std::uint32_t result_count, const internal::TaskOptions& options,
                                   std::uint32_t depth);
  [[nodiscard]] TaskKindPtr NewKind(const internal::FunctionKey& function,
                                    std::uint32_t result_count,
                                    const internal::TaskOptions& options, std::uint32_t depth);
  /// The raylet may end this worker: no owner waits for a result of ours, and nobody refers to an
  /// object that would die with us.
  [[nodiscard]] bool MayExit() const {
    return execution.task_count() == 0 && sender.unfinished_count() == 0 &&
           tasks.unfinished_count() == 0 && references.owned().LentCount() == 0;
  }
  /// Each callback runs once. One of them may add another, which belongs to a later reason.
  void MustExit(const Error& reason) {
    for (const auto& callback : std::exchange(must_exit, {})) callback(reason);
  }
  /// Those that push work go before those that keep it, so that nothing is enqueued into a part
  /// that has stopped. References go last: all others let go of theirs first.
  void Stop() {
    alive.End();
    execution.Stop();
    sender.Stop();
    leases.Stop();
    tasks.Stop();
    getter.Stop();
    references.Stop();
  }

  Deps deps;
  CoreWorkerConfig config;
  ReferenceTable references;
  ObjectGetter getter;
  ResultSender sender;
  TaskTable tasks;
  LeasePool leases;
  Execution execution;
  std::unique_ptr<object_store::StoreClient> store;
  protocol::Address self;
  NodeId node;
  JobId job;
  std::string raylet_endpoint;
  bool is_driver = false;
  TaskContext own_context;         // of what is done outside any task
  std::vector<TaskKindPtr> kinds;  // the last ones used; most tasks are of the first
  std::uint64_t last_kind = 0;
  std::vector<std::function<void(const Error&)>> must_exit;
  Lifetime alive;
};

CoreWorker::CoreWorker(Deps deps, CoreWorkerConfig config)
    : impl_(std::make_unique<Impl>(deps, config)) {}
CoreWorker::~CoreWorker() { Stop(); }

void CoreWorker::AddHandlers(rpc::ServiceTable& services) {
  using rpc::CallContext;
  Impl* impl = impl_.get();
  const Lifetime& alive = impl_->alive;
  impl->references.AddHandlers(services);
  // From owners that lease us. A lease is opened by a call, because the owner has to know whether
  // we are its program; what follows on the same connection needs no answer of its own.
  services.Handle(protocol::kOpenLease,
                  alive.Bind([impl](auto& request, CallContext call, auto respond) {
                    impl->execution.OpenLease(request, *call.peer, std::move(respond));
                  }));
  const auto on_notification = [&](const auto& method, auto handler) {
    services.HandleNotification(method, alive.Bind(std::move(handler)));
  };
  on_notification(protocol::kPushTasks, [impl](auto& tasks, auto& peer) {
    const auto done = impl->execution.PushTasks(std::move(tasks));
    // We cannot say which tasks of a damaged batch we have and which not. When the connection
    // breaks, the owner treats all of them as lost and decides itself.
    if (!done) peer.Break(done.error());
  });
  on_notification(protocol::kTakeBack,
                  [impl](auto& request, auto&) { impl->execution.TakeBack(request); });
  on_notification(protocol::kReleaseHandoff,
                  [impl](auto& request, auto&) { impl->sender.ReleaseHandoffs(request); });
  // From workers that we lease.
  on_notification(protocol::kTasksDone,
                  [impl](auto& tasks, auto&) { impl->leases.OnTasksDone(std::move(tasks)); });
  // From raylets: others wait for what our idle leases hold.
  on_notification(protocol::kReclaimLeases,
                  [impl](auto& request, auto&) { impl->leases.OnReclaim(request); });
  // The GCS has declared a node dead. Tasks there are lost, and so are the copies that it held. The
  // leases go first: a task that is retried must not be sent to a worker of the dead node.
  on_notification(protocol::kNodeDied, [impl](const protocol::NodeDiedRequest& request, auto&) {
    const NodeId node = NodeId::FromBinaryOrNil(request.node_id());
    impl->leases.OnNodeDied(node, request.reason());
    impl->references.DropNode(node, request.reason());
  });
  services.Handle(
      protocol::kExitWorker, alive.Bind([impl](auto& request, CallContext call, auto respond) {
        // The raylet wants our place. It asks, unless it forces us: only we know whether a result
        // of ours is still on its way, or an object of ours still in use.
        protocol::ExitWorkerReply reply;
        reply.set_will_exit(request.force() || impl->MayExit());
        respond(reply);
        call.peer->Flush();
        if (!reply.will_exit()) return;
        // The answer is on its way; we leave in a later turn, so that it arrives before the end.
        impl->deps.loop.Post(impl->alive.Bind([impl] {
          impl->MustExit(Error(ErrorCode::kCancelled, "the raylet asked this worker to exit"));
        }));
      }));
}

// The peer may have leased us, borrowed from us, or both. Its queued tasks and its holds end here;
// whether it is dead is decided elsewhere.
void CoreWorker::OnPeerClosed(rpc::Peer& peer, const Error& /*reason*/) {
  impl_->execution.OnPeerClosed(peer);
  impl_->references.OnPeerClosed(peer);
}

const CoreWorkerConfig& CoreWorker::config() const { return impl_->config; }

void CoreWorker::Start(Membership membership, std::unique_ptr<object_store::StoreClient> store,
                       TaskExecutor* executor) {
  Impl& impl = *impl_;
  impl.self = std::move(membership.self);
  impl.node = NodeId::FromBinaryOrNil(impl.self.node_id());
  impl.job = membership.job;
  impl.raylet_endpoint = std::move(membership.raylet_endpoint);
  // All of a node must agree on what is small, so the raylet's word counts more than our own.
  if (membership.inline_bytes_max > 0) impl.config.inline_bytes_max = membership.inline_bytes_max;
  impl.store = std::move(store);
  impl.is_driver = executor == nullptr;
  // What is done outside any task is named after the process, so that two processes never give the
  // same name.
  impl.own_context.task = DriverTaskId(impl.job, WorkerId::FromBinaryOrNil(impl.self.worker_id()));
  // Each part learns who we are before execution starts, because the first pushed task may submit,
  // put and return at once.
  impl.references.SetSelf(impl.self);
  impl.getter.Start(*impl.store, impl.node, impl.raylet_endpoint);
  impl.sender.Start(impl.self, impl.raylet_endpoint, *impl.store, impl.config.inline_bytes_max);
  impl.leases.SetSelf(impl.self, impl.job, membership.program, impl.raylet_endpoint);
  impl.execution.Start(impl.job, membership.program, *impl.store, executor);
  // A worker or driver cannot outlive its raylet: its store, its leases and its word on deaths are
  // all there.
  const auto lost = impl.alive.Bind([&impl](const Error& reason) {
    impl.MustExit(
        Error(ErrorCode::kUnavailable, "the raylet of this node is gone: " + reason.message()));
  });
  impl.deps.raylet.OnDisconnected(lost);
  impl.deps.raylet.OnGone(lost);
}

TaskContext& CoreWorker::ContextOf(TaskHandle caller) { return impl_->ContextOf(caller); }

TaskKindPtr CoreWorker::Impl::KindOf(const internal::FunctionKey& function,
                                     std::uint32_t result_count,
                                     const internal::TaskOptions& options, std::uint32_t depth) {
  const auto it = std::ranges::find_if(kinds, [&](const TaskKindPtr& kind) {
    return kind->function == function && kind->result_count == result_count &&
           kind->depth == depth && kind->options == options;
  });
  // The last kinds used are kept, the latest first: a program submits few kinds, mostly in a row.
  if (it == kinds.begin() && it != kinds.end()) return *it;
  TaskKindPtr found = it != kinds.end() ? *it : NewKind(function, result_count, options, depth);
  if (it != kinds.end()) {
    kinds.erase(it);
  } else if (kinds.size() == kKindsMax) {
    kinds.pop_back();
  }
  return *kinds.insert(kinds.begin(), std::move(found));
}

TaskKindPtr CoreWorker::Impl::NewKind(const internal::FunctionKey& function,
                                      std::uint32_t result_count,
                                      const internal::TaskOptions& options, std::uint32_t depth) {
  // Tasks with the same key can run on the same leases, whatever function they call.
  SchedulingKey key;
  for (const auto& [name, amount] : options.resources) {
    key.resources.Set(name, Amount::FromDouble(amount));
  }
  key.strategy = options.strategy;
  key.depth = depth;
  const boost::intrusive_ptr<TaskKind> kind(new TaskKind);
  kind->number = ++last_kind;
  kind->function = function;
  kind->options = options;
  kind->result_count = result_count;
  kind->depth = key.depth;
  kind->name = options.name.empty() ? function.name : options.name;
  kind->sender = &leases;
  kind->group = leases.GroupFor(std::move(key));
  // What is the same for all tasks of this kind is encoded here, once, and pushed once a lease.
  protocol::TaskConstants constants;
  constants.mutable_function()->set_module(function.module);
  constants.mutable_function()->set_offset(function.offset);
  constants.mutable_function()->set_name(function.name);
  constants.set_result_count(result_count);
  constants.set_name(kind->name);
  constants.set_depth(kind->depth);
  kind->message = constants.SerializeAsString();
  return kind;
}

std::vector<internal::ReferencePtr> CoreWorker::Submit(TaskHandle caller,
                                                       const internal::FunctionKey& function,
                                                       std::vector<internal::Argument> arguments,
                                                       std::uint32_t result_count,
                                                       const internal::TaskOptions& options) {
  TaskContext& context = impl_->ContextOf(caller);
  // A task may run again while children of its earlier attempt still do. So each attempt has its
  // own share of the numbers from which the names of children are made.
  const TaskId id =
      ChildTaskId(context.task, (static_cast<std::uint64_t>(context.attempt) << kAttemptShift) |
                                    context.next_child++);
  std::unique_ptr<TaskArguments> given;
  if (!arguments.empty()) given = std::make_unique<TaskArguments>();
  // References are resolved when the task is pushed; values are kept as bytes. What refers to other
  // objects inside them is held until the task is done: they are freed by counts, not by looking.
  for (internal::Argument& argument : arguments) {
    if (argument.reference != nullptr) {
      given->AddReference(std::move(argument.reference));
      continue;
    }
    argument.value.CopyTo(given->AddValue(argument.value.size));
    std::ranges::move(argument.value.references, std::back_inserter(given->holds));
  }
  auto results = impl_->tasks.Submit(
      id, impl_->KindOf(function, result_count, options, context.depth + 1), std::move(given));
  // A message a task would cost more than the task; but while a program submits a million, workers
  // should have begun.
  impl_->leases.PushIfMany();
  return results;
}

internal::ReferencePtr CoreWorker::PutInline(TaskHandle caller, internal::SerializedValue value) {
  std::string bytes(value.size, '\0');
  value.CopyTo(std::as_writable_bytes(std::span(bytes)));
  return impl_->references.NewOwned(NextPutId(caller), Payload::FromString(std::move(bytes)),
                                    std::move(value.references));
}

ObjectId CoreWorker::NextPutId(TaskHandle caller) {
  TaskContext& context = impl_->ContextOf(caller);
  // Another attempt may put other bytes while those of the earlier one are still in the store.
  constexpr std::uint64_t kPuts = (1ULL << kAttemptShift) - 1;
  const std::uint64_t attempt = context.attempt;
  const TaskId base =
      attempt == 0 ? context.task : ChildTaskId(context.task, (attempt << kAttemptShift) | kPuts);
  return ObjectId::OfPut(base, context.next_put++);
}

internal::ReferencePtr CoreWorker::FinishPut(const ObjectId& id, std::uint64_t size_bytes,
                                             std::vector<internal::ReferencePtr> contained) {
  // The raylet learns that the copy is ours, so that it can delete it if we die.
  protocol::AdoptObjectsRequest adopt;
  adopt.add_ids(std::string(id.Binary()));
  *adopt.mutable_owner() = impl_->self;
  impl_->deps.raylet.Notify(protocol::kAdoptObjects, adopt);
  // The first copy of the object is on this node. Pulls of other nodes will add theirs.
  InStore stored{.size_bytes = size_bytes, .copies = {}};
  stored.copies.emplace(impl_->node, impl_->raylet_endpoint);
  return impl_->references.NewOwned(id, std::move(stored), std::move(contained));
}

WatchId CoreWorker::Get(const internal::ReferencePtr& reference,
                        std::move_only_function<void(Result<Payload>)> done) {
  return impl_->getter.Get(reference, std::move(done));
}
void CoreWorker::Cancel(WatchId get) { impl_->getter.Cancel(get); }

std::string CoreWorker::Describe(const ObjectId& id) const { return impl_->tasks.Describe(id); }

internal::ReferencePtr CoreWorker::Borrow(const ObjectId& id, std::string_view owner) {
  return impl_->references.Hold(id, impl_->references.Intern(owner));
}

void CoreWorker::OnResult(TaskHandle task, std::uint32_t index, TaskOutput output, IsLast is_last) {
  impl_->execution.OnResult(*task, index, std::move(output), is_last);
}
void CoreWorker::OnTaskFailed(TaskHandle task, const Error& error) {
  impl_->execution.OnTaskFailed(*task, error);
}
void CoreWorker::SetBlocked(TaskHandle task, bool blocked) {
  impl_->execution.SetBlocked(*task, blocked);
}
TaskHandle CoreWorker::SoleTask() { return impl_->execution.SoleTask(); }
bool CoreWorker::is_driver() const { return impl_->is_driver; }
object_store::StoreClient& CoreWorker::store() { return *impl_->store; }
ReferenceTable& CoreWorker::references() { return impl_->references; }
const protocol::Address& CoreWorker::self() const { return impl_->self; }
const JobId& CoreWorker::job() const { return impl_->job; }
void CoreWorker::OnMustExit(std::function<void(const Error&)> callback) {
  impl_->must_exit.push_back(std::move(callback));
}
void CoreWorker::Stop() { impl_->Stop(); }

CoreWorker::Census CoreWorker::Count() const {
  return {.tasks = impl_->tasks.unfinished_count(),
          .lineage = impl_->tasks.lineage_count(),
          .leases = impl_->leases.lease_count(),
          .lease_requests = impl_->leases.request_count(),
          .served = impl_->execution.task_count() + impl_->sender.unfinished_count(),
          .gets = impl_->getter.size(),
          .references = impl_->references.Count()};
}

void CoreWorker::CheckInvariants() const {
  impl_->tasks.CheckInvariants();
  impl_->leases.CheckInvariants();
  impl_->references.CheckInvariants();
}

}  // namespace mobula::core_worker
