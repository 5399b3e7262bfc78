#include "tests/conformance/core_worker/executor_checks.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "components/core_worker/assembly/core_worker_assembly.h"
#include "components/core_worker/task_codec.h"
#include "components/protocol/raylet_methods.h"
#include "components/protocol/worker_methods.h"
#include "components/transport/inprocess/inprocess_transport.h"

namespace mobula::core_worker::testing {
namespace {

constexpr int kRounds = 20;
const std::string kLease(LeaseId::kSize, 'l');

/// No task is part of this suite's store.
class EmptyStore final : public object_store::StoreClient {
 public:
  explicit EmptyStore(EventLoop& loop) : loop_(loop) {}
  void Create(const ObjectId&, std::uint64_t,
              std::move_only_function<void(Result<WritablePayload>)> done) override {
    Refuse(std::move(done));
  }
  void Seal(const ObjectId&, std::move_only_function<void(Result<void>)> done) override {
    Refuse(std::move(done));
  }
  void Abort(const ObjectId&) override {}
  void Get(const ObjectId&, const object_store::ObjectHint&,
           std::move_only_function<void(Result<Payload>)> done) override {
    Refuse(std::move(done));
  }
  [[nodiscard]] std::uint64_t capacity_bytes() const override { return 0; }
  [[nodiscard]] std::string_view Name() const override { return "empty"; }

 private:
  template <typename Done>
  void Refuse(Done done) {
    loop_.Post([done = std::move(done)]() mutable { done(Fail(ErrorCode::kNotFound, "empty")); });
  }
  EventLoop& loop_;
};

/// Stands between the core worker and the executor, and sees what it is asked.
class WatchedExecutor final : public TaskExecutor {
 public:
  WatchedExecutor(TaskExecutor& inner, CoreWorker& core) : inner_(inner), core_(core) {}
  [[nodiscard]] std::size_t lane_count() const override { return inner_.lane_count(); }
  void Run(TaskHandle task, TaskCall call) override {
    const std::size_t before = core_.Count().served;
    inner_.Run(task, std::move(call));
    ended_inside = ended_inside || core_.Count().served != before;
  }
  bool ended_inside = false;

 private:
  TaskExecutor& inner_;
  CoreWorker& core_;
};

/// A worker with the executor, its raylet, and an owner that pushes tasks to it.
class Bench {
 public:
  explicit Bench(ExecutorWorld& world) : world_(world) {
    world_.Enter([this] { Build(); });
    const bool joined = world_.RunUntil([this] { return is_open_; });
    if (!joined) violations.push_back("the worker did not join");
    world_.Start();
  }
  ~Bench() {
    world_.Stop();
    world_.Enter([this] {
      owner_.reset();
      assembly_->Stop();
      raylet_.reset();
    });
  }

  /// Pushes tasks in one message. \return their numbers.
  void Push(Behaviour behaviour, int first, int count) {
    world_.Enter([&] {
      protocol::PushTasksRequest request;
      request.set_lease_id(kLease);
      for (int i = first; i < first + count; ++i) {
        const std::string argument = world_.Argument(behaviour, i);
        std::string arguments;
        AppendArgumentHead(argument.size(), false, &arguments);
        AppendTask(IdOf(i), 0, 0, arguments + argument, request.mutable_tasks());
      }
      owner_->Notify(protocol::kPushTasks, request);
      owner_->Flush();
    });
  }
  /// \return false if not so many tasks have ended in the end.
  bool AwaitEnded(std::size_t count) {
    return world_.RunUntil([&] { return values.size() + failures.size() >= count; });
  }
  bool RunUntil(const std::function<bool()>& done) { return world_.RunUntil(done); }
  [[nodiscard]] std::size_t lane_count() const { return watched_->lane_count(); }
  [[nodiscard]] bool ended_inside() const { return watched_->ended_inside; }
  static TaskId IdOf(int number) {
    std::string bytes(TaskId::kSize, '\0');
    bytes[0] = static_cast<char>(number + 1);
    return *TaskId::FromBinary(bytes);
  }

  std::multimap<TaskId, std::string> values;
  std::multiset<TaskId> failures;
  std::vector<bool> blocked;  // as the raylet was told
  std::vector<std::string> violations;

 private:
  void Build() {
    EventLoop& loop = world_.loop();
    transport_ = transport::MakeInprocessTransport(loop);
    AddRaylet();
    log_ = std::make_unique<EventLog>(loop.clock(), "worker", LogLevel::kError, nullptr);
    AssemblyOptions options;
    options.id = *WorkerId::FromBinary(std::string(WorkerId::kSize, 'w'));
    options.raylet_endpoint = "inproc://suite.raylet";
    options.listen_endpoint = "inproc://suite.worker";
    options.local_listen_endpoint = "inproc://suite.worker.local";
    CoreWorkerAssembly::Deps deps{
        .loop = loop,
        .transport_for = [this](std::string_view) { return transport_.get(); },
        .random = Random(1),
        .log = *log_,
        .attach_store = [&loop](auto done) { done(std::make_unique<EmptyStore>(loop)); }};
    assembly_ = std::move(CoreWorkerAssembly::Make(std::move(deps), std::move(options)).value());
    CoreWorker& core = assembly_->core();
    watched_ = std::make_unique<WatchedExecutor>(world_.MakeExecutor(core), core);
    AddOwner();
    assembly_->Join(watched_.get(), [this](const Result<void>& joined) {
      if (!joined) return violations.push_back(joined.error().ToString());
      OpenLease();
    });
  }
  void AddRaylet() {
    services_.Handle(protocol::kRegisterWorker,
                     [](const protocol::RegisterWorkerRequest&, rpc::CallContext,
                        rpc::Respond<protocol::RegisterWorkerReply> respond) {
                       protocol::RegisterWorkerReply reply;
                       reply.set_node_id(std::string(NodeId::kSize, 'n'));
                       reply.set_raylet_endpoint("inproc://suite.raylet");
                       respond(reply);
                     });
    services_.Handle(protocol::kRequestLease,
                     [](const protocol::RequestLeaseRequest&, rpc::CallContext,
                        rpc::Respond<protocol::RequestLeaseReply> respond) {
                       protocol::RequestLeaseReply reply;
                       reply.mutable_infeasible()->set_reason("nothing fits here");
                       respond(reply);
                     });
    services_.HandleNotification(protocol::kSetBlocked,
                                 [this](const protocol::SetBlockedRequest& request, rpc::Peer&) {
                                   blocked.push_back(request.blocked());
                                 });
    raylet_ = std::make_unique<rpc::Server>(world_.loop(), services_);
    static_cast<void>(raylet_->Listen(*transport_, "inproc://suite.raylet"));
  }
  void AddOwner() {
    owner_services_.HandleNotification(
        protocol::kTasksDone, [this](const protocol::TasksDoneRequest& done, rpc::Peer&) {
          BatchReader reader(done.values());
          for (ValueEntry value; reader.Next(&value);) {
            values.emplace(value.id, std::string(value.bytes));
          }
          for (const protocol::TaskResult& task : done.tasks()) {
            if (task.has_failure()) failures.insert(TaskId::FromBinaryOrNil(task.task_id()));
            if (task.unstarted()) violations.push_back("a task came back unstarted");
          }
        });
    owner_ = std::make_unique<rpc::Client>(world_.loop(), *transport_, "inproc://suite.worker",
                                           Random(2), rpc::ClientOptions(), &owner_services_);
  }
  void OpenLease() {
    protocol::OpenLeaseRequest open;
    open.set_lease_id(kLease);
    open.set_job_id(std::string(JobId::kSize, '\0'));
    owner_->Call(protocol::kOpenLease, open, [this](const auto& reply) {
      if (!reply) return violations.push_back("no lease: " + reply.error().ToString());
      protocol::TaskConstants constants;
      *constants.mutable_function() = world_.Function();
      constants.set_result_count(1);
      constants.set_name("task");
      protocol::PushTasksRequest request;
      request.set_lease_id(kLease);
      AppendConstants(0, constants.SerializeAsString(), request.mutable_tasks());
      owner_->Notify(protocol::kPushTasks, request);
      is_open_ = true;
    });
  }

  ExecutorWorld& world_;
  std::unique_ptr<transport::Transport> transport_;
  rpc::ServiceTable services_;
  rpc::ServiceTable owner_services_;
  std::unique_ptr<rpc::Server> raylet_;
  std::unique_ptr<EventLog> log_;
  std::unique_ptr<CoreWorkerAssembly> assembly_;
  std::unique_ptr<WatchedExecutor> watched_;
  std::unique_ptr<rpc::Client> owner_;
  bool is_open_ = false;
};

/// Every task ends once, with the value of its own argument, and a failure is its own only.
void CheckResults(ExecutorWorld& world, Bench& bench) {
  int pushed = 0;
  for (int round = 0; round < kRounds; ++round) {
    bench.Push(Behaviour::kEcho, pushed, 4);
    bench.Push(Behaviour::kFail, pushed + 4, 1);
    pushed += 5;
    if (!bench.AwaitEnded(static_cast<std::size_t>(pushed))) {
      bench.violations.push_back("a task never ended");
      return;
    }
  }
  for (int i = 0; i < pushed; ++i) {
    const TaskId id = Bench::IdOf(i);
    const bool must_fail = i % 5 == 4;
    if (bench.values.count(id) + bench.failures.count(id) != 1) {
      bench.violations.push_back("a task did not end exactly once");
    } else if (bench.failures.contains(id) != must_fail) {
      bench.violations.push_back("a task ended in another way than its code");
    } else if (!must_fail && bench.values.find(id)->second != world.Value(i)) {
      bench.violations.push_back("a task has the value of another one");
    }
  }
}

/// As many tasks as there are lanes run side by side.
void CheckLanes(Bench& bench) {
  constexpr int kFirst = 101;
  const std::size_t lanes = bench.lane_count();
  const std::size_t before = bench.values.size() + bench.failures.size();
  const std::size_t failed = bench.failures.size();
  bench.Push(Behaviour::kMeet, kFirst, static_cast<int>(lanes));
  if (!bench.AwaitEnded(before + lanes) || bench.failures.size() != failed) {
    bench.violations.push_back("tasks of different lanes do not run side by side");
  }
  if (bench.lane_count() != lanes) bench.violations.push_back("the number of lanes changed");
}

/// A task that waits says so, and takes it back before it ends.
void CheckWaiting(Bench& bench) {
  constexpr int kNumber = 120;
  const std::size_t before = bench.values.size() + bench.failures.size();
  bench.Push(Behaviour::kWait, kNumber, 1);
  if (!bench.AwaitEnded(before + 1)) bench.violations.push_back("a task that waits never ended");
  const bool told = bench.RunUntil([&] { return bench.blocked.size() >= 2; });
  if (!told || bench.blocked != std::vector<bool>{true, false}) {
    bench.violations.push_back("the raylet did not learn that a task waited, and then went on");
  }
}

}  // namespace

std::vector<std::string> ExecutorViolations(const WorldFactory& make) {
  const std::unique_ptr<ExecutorWorld> world = make();
  Bench bench(*world);
  if (bench.lane_count() == 0) return {"an executor has at least one lane"};
  if (bench.violations.empty()) CheckResults(*world, bench);
  if (bench.violations.empty()) CheckLanes(bench);
  if (bench.violations.empty()) CheckWaiting(bench);
  if (bench.ended_inside()) bench.violations.push_back("a task ended inside Run");
  return bench.violations;
}

}  // namespace mobula::core_worker::testing
