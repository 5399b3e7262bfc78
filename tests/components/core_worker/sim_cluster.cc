#include "tests/components/core_worker/sim_cluster.h"

#include <gtest/gtest.h>

#include "components/base/check.h"
#include "components/protocol/raylet_methods.h"

namespace mobula::core_worker::sim {
namespace {

/// The store of a node as its processes see it; pulls copy from node to node at once.
class Store final : public object_store::StoreClient {
 public:
  explicit Store(Node& node) : node_(node) {}

  void Create(const ObjectId& id, std::uint64_t size_bytes,
              std::move_only_function<void(Result<WritablePayload>)> done) override {
    Result<WritablePayload> room = WritablePayload::Allocate(size_bytes);
    std::uint64_t used = size_bytes;
    for (const auto& [other, payload] : node_.objects) used += payload.size();
    if (node_.objects.contains(id)) {
      room = Fail(ErrorCode::kAlreadyExists, "object {} is here", id.Short());
    } else if (used > node_.capacity_bytes) {
      room = Fail(ErrorCode::kStoreFull, "object {} of {} bytes: the store holds {}", id.Short(),
                  size_bytes, node_.capacity_bytes);
    } else {
      node_.unsealed[id] = *room;
    }
    Later([done = std::move(done), room = std::move(room)]() mutable { done(std::move(room)); });
  }
  void Seal(const ObjectId& id, std::move_only_function<void(Result<void>)> done) override {
    node_.objects[id] = node_.unsealed.at(id).Freeze();
    node_.unsealed.erase(id);
    Later([done = std::move(done)]() mutable { done({}); });
  }
  void Abort(const ObjectId& id) override { node_.unsealed.erase(id); }
  void Get(const ObjectId& id, const object_store::ObjectHint& hint,
           std::move_only_function<void(Result<Payload>)> done) override {
    Result<Payload> value = Fail(ErrorCode::kNotFound, "object {} is nowhere", id.Short());
    if (const auto it = node_.objects.find(id); it != node_.objects.end()) value = it->second;
    for (const std::string& endpoint : hint.raylet_endpoints) {
      Node* other = node_.cluster.FindNode(endpoint);
      if (value || other == nullptr || !other->objects.contains(id)) continue;
      value = other->objects.at(id);
      node_.objects[id] = *value;
    }
    node_.cluster.loop.Schedule(
        node_.fetch_time, alive_.Bind([done = std::move(done), value = std::move(value)]() mutable {
          done(std::move(value));
        }));
  }
  [[nodiscard]] std::uint64_t capacity_bytes() const override { return node_.capacity_bytes; }
  [[nodiscard]] std::string_view Name() const override { return "test"; }

 private:
  void Later(EventLoop::Callback callback) {
    node_.cluster.loop.Post(alive_.Bind(std::move(callback)));
  }
  Node& node_;
  Lifetime alive_;
};

constexpr std::int64_t kPid = 4711;

}  // namespace

internal::SerializedValue Serialize(std::string text, std::vector<ReferencePtr> references) {
  internal::SerializedValue value;
  value.size = text.size();
  value.document = std::move(text);
  value.references = std::move(references);
  return value;
}

std::string Mention(const ReferencePtr& reference) {
  return reference->id.Hex() + ToHex(reference->owner->address);
}

// ---- TaskRun ----

void TaskRun::Return(std::string text, std::vector<ReferencePtr> references) {
  call_.arguments.clear();
  process_.core.OnResult(handle_, 0, {.value = Serialize(std::move(text), std::move(references))},
                         IsLast::kYes);
}

void TaskRun::ReturnAll(std::vector<std::string> texts) {
  call_.arguments.clear();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    process_.core.OnResult(handle_, static_cast<std::uint32_t>(i),
                           {.value = Serialize(std::move(texts[i]))},
                           i + 1 == texts.size() ? IsLast::kYes : IsLast::kNo);
  }
}

void TaskRun::Throw(std::string message) {
  process_.core.OnTaskFailed(handle_, Error(ErrorCode::kTaskFailed, std::move(message)));
}

void TaskRun::After(Duration time, std::function<void()> next) {
  process_.cluster.loop.Schedule(
      time, process_.alive.Bind([self = shared_from_this(), next = std::move(next)] { next(); }));
}

ReferencePtr TaskRun::Submit(const std::string& program, std::vector<Value> arguments,
                             const Options& options) {
  return process_.SubmitAll(program, std::move(arguments), options, handle_).front();
}

ReferencePtr TaskRun::Put(internal::SerializedValue value) {
  return process_.core.PutInline(handle_, std::move(value));
}

ReferencePtr TaskRun::Borrow(const std::string& mention) { return process_.Borrow(mention); }

void TaskRun::Get(const ReferencePtr& reference, Next next) {
  process_.core.SetBlocked(handle_, true);
  process_.core.Get(reference, process_.alive.Bind([self = shared_from_this(),
                                                    next = std::move(next)](Result<Payload> value) {
    self->process_.core.SetBlocked(self->handle_, false);
    next(value ? Result<std::string>(std::string(value->text())) : Fail(value.error()));
  }));
}

// ---- Process ----

Process::Process(Cluster& the_cluster, Node& the_node, bool is_driver)
    : cluster(the_cluster),
      node(the_node),
      log(cluster.loop.clock(), is_driver ? "driver" : "worker", LogLevel::kDebug,
          [this](LogLevel, std::string_view line) { cluster.loop.Mix(line); }),
      assembly(Assemble(is_driver)),
      core(assembly->core()) {
  core.OnMustExit([this](const Error& why) { must_exit = why; });
  assembly->Join(is_driver ? nullptr : this, [](const Result<void>&) {});
}

std::unique_ptr<CoreWorkerAssembly> Process::Assemble(bool is_driver) {
  AssemblyOptions options;
  options.is_driver = is_driver;
  options.id = cluster.random.NewId<WorkerId>();
  options.pid = kPid;
  options.program.set_hash(cluster.program);
  options.program.set_build(cluster.program);
  options.raylet_endpoint = node.endpoint;
  options.listen_endpoint = fmt::format("inproc://process{}", cluster.made++);
  options.local_listen_endpoint = options.listen_endpoint + ".local";
  options.config = cluster.config;
  CoreWorkerAssembly::Deps deps{
      .loop = cluster.loop,
      .transport_for = [this](std::string_view) { return cluster.transport.get(); },
      .random = cluster.random.Fork(options.listen_endpoint),
      .log = log,
      .attach_store = [this](auto done) { done(std::make_unique<Store>(node)); }};
  return std::move(CoreWorkerAssembly::Make(std::move(deps), std::move(options)).value());
}

Process::~Process() {
  alive.End();
  assembly->Stop();
}

std::size_t Process::lane_count() const { return cluster.lanes; }

void Process::Run(TaskHandle task, TaskCall call) {
  const std::string name = call.constants->function().name();
  ++tasks_started;
  cluster.loop.Post(alive.Bind([this, name, task, call = std::move(call)]() mutable {
    ++cluster.runs[name];
    cluster.programs.at(name)(std::make_shared<TaskRun>(*this, task, std::move(call)));
  }));
}

std::vector<ReferencePtr> Process::SubmitAll(const std::string& program,
                                             std::vector<Value> arguments, const Options& options,
                                             TaskHandle caller) {
  std::vector<internal::Argument> encoded;
  for (Value& value : arguments) {
    internal::Argument& argument = encoded.emplace_back();
    if (auto* text = std::get_if<std::string>(&value)) {
      argument.value = Serialize(std::move(*text));
    } else {
      argument.reference = std::get<ReferencePtr>(std::move(value));
    }
  }
  internal::TaskOptions task;
  if (options.cpus > 0) task.resources["CPU"] = options.cpus;
  task.max_retries = options.max_retries;
  task.retry_exceptions = options.retry_exceptions;
  internal::FunctionKey key;
  key.name = program;
  return core.Submit(caller, key, std::move(encoded), options.result_count, task);
}

ReferencePtr Process::Borrow(const std::string& mention) {
  constexpr std::size_t kIdDigits = 2 * ObjectId::kSize;
  const ObjectId id(ObjectId::FromBinaryOrNil(*FromHex(mention.substr(0, kIdDigits))));
  return core.Borrow(id, *FromHex(mention.substr(kIdDigits)));
}

ReferencePtr Process::PutLarge(std::string text) {
  const ObjectId id = core.NextPutId(nullptr);
  const std::size_t size = text.size();
  node.objects[id] = Payload::FromString(std::move(text));
  return core.FinishPut(id, size, {});
}

Result<std::string> Process::Get(const ReferencePtr& reference) {
  std::optional<Result<std::string>> seen;
  const WatchId get = core.Get(reference, [&](Result<Payload> value) {
    seen = value ? Result<std::string>(std::string(value->text())) : Fail(value.error());
  });
  if (cluster.loop.RunUntil([&] { return seen.has_value(); }, seconds(100))) return *seen;
  core.Cancel(get);
  return Fail(ErrorCode::kDeadlineExceeded, "no value after 100 s");
}

// ---- Cluster ----

Cluster::Cluster(std::uint64_t seed)
    : loop(seed), random(seed), transport(transport::MakeInprocessTransport(loop)) {
  config.inline_bytes_max = 100;
}

Cluster::~Cluster() {
  drivers.clear();
  nodes.clear();
}

Node& Cluster::AddNode(double cpus, std::uint64_t capacity_bytes) {
  nodes.push_back(
      std::make_unique<Node>(*this, fmt::format("node{}", made++), cpus, capacity_bytes));
  return *nodes.back();
}

Process& Cluster::AddDriver(Node& node) {
  drivers.push_back(std::make_unique<Process>(*this, node, true));
  Process& driver = *drivers.back();
  EXPECT_TRUE(loop.RunUntil([&] { return driver.assembly->has_joined(); }, seconds(1)));
  return driver;
}

void Cluster::KillDriver(Process& driver) {
  std::erase_if(drivers, [&](const auto& entry) { return entry.get() == &driver; });
}

void Cluster::KillNode(Node& node) {
  protocol::NodeDiedRequest died;
  died.set_node_id(std::string(node.id.Binary()));
  died.set_reason("no heartbeat");
  std::erase_if(nodes, [&](const auto& entry) { return entry.get() == &node; });
  loop.Schedule(milliseconds(200), [this, died] {
    for (const auto& other : nodes) {
      for (const auto& [worker, peer] : other->peers()) peer->Notify(protocol::kNodeDied, died);
    }
  });
}

std::string Cluster::CauseOfDeath(const std::string& worker) const {
  for (const auto& driver : drivers) {
    if (driver->worker_id() == worker) return {};
  }
  for (const auto& node : nodes) {
    if (node->workers.contains(worker)) return {};
    if (const auto it = node->deaths().find(worker); it != node->deaths().end()) {
      return it->second.cause();
    }
  }
  return "nobody knows it";
}

Node* Cluster::FindNode(std::string_view endpoint) {
  for (const auto& node : nodes) {
    if (node->endpoint == endpoint) return node.get();
  }
  return nullptr;
}

std::string Cluster::LeftOver() const {
  std::string left;
  const auto look = [&](const std::string& who, const Process& process) {
    const CoreWorker::Census c = process.core.Count();
    const auto& r = c.references;
    const std::size_t sum = c.tasks + c.lineage + c.leases + c.lease_requests + c.served + c.gets +
                            r.owned + r.borrowed + r.watches + r.inline_bytes;
    if (sum == 0) return;
    left += fmt::format(
        "{}: tasks={} lineage={} leases={} requests={} served={} gets={} owned={} borrowed={} "
        "watches={} inline_bytes={}\n",
        who, c.tasks, c.lineage, c.leases, c.lease_requests, c.served, c.gets, r.owned, r.borrowed,
        r.watches, r.inline_bytes);
  };
  for (const auto& driver : drivers) look("driver", *driver);
  for (const auto& node : nodes) {
    for (const auto& [id, worker] : node->workers) look("worker", *worker);
    if (!node->objects.empty()) {
      left += fmt::format("{}: {} objects\n", node->endpoint, node->objects.size());
    }
    if (node->lease_count() + node->queued_count() > 0) {
      left += fmt::format("{}: {} leases, {} queued\n", node->endpoint, node->lease_count(),
                          node->queued_count());
    }
  }
  return left;
}

void Cluster::ExpectNothingLeft() {
  loop.RunFor(seconds(20));
  EXPECT_EQ(LeftOver(), "");
  for (const auto& driver : drivers) driver->core.CheckInvariants();
}

}  // namespace mobula::core_worker::sim
