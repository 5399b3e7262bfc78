// \edge: reads keys from YAML, one after the other
#include "sim/sim_executor.h"

#include "components/protocol/common.pb.h"

namespace mobula::sim {

using core_worker::TaskCall;
using core_worker::TaskHandle;
using internal::ReferencePtr;

namespace {

constexpr std::uint64_t kPlantedOneIn = 50;

bool IsHit(const Plan& plan) { return plan.constant() % kPlantedOneIn == 0; }

Task<std::uint64_t> ReadInputs(Program& program, const Call& call, std::vector<Payload> arguments) {
  // A task's value is a hash over all that it reads, in order. If one input was another's, or came
  // twice, the hash tells.
  std::uint64_t hash = call.plan().constant();
  for (int i = 0; i < call.arguments_size(); ++i) {
    const Result<std::uint64_t> weight = co_await program.Weigh(
        call.arguments(i), std::move(arguments[static_cast<std::size_t>(i) + 1]));
    if (!weight) co_return Fail(weight.error());
    hash = Mix(hash, *weight);
  }
  for (int i = 0; i < call.contained_size(); ++i) {
    // The reference came inside a value: this worker borrows the object from its owner and gets it.
    Known known;
    known.reference = program.Borrow(call.references(i));
    known.id = call.contained(i);
    const Result<std::uint64_t> weight = co_await program.Read(std::move(known));
    if (!weight) co_return Fail(weight.error());
    hash = Mix(hash, *weight);
  }
  co_return hash;
}

/// \return the last child if the value is to refer to it.
Task<ReferencePtr> RunChildren(Program& program, const Plan& plan, std::uint64_t& hash) {
  std::vector<Known> children;
  for (const Plan& child : plan.children()) {
    std::vector<Known> arguments;
    if (plan.is_chained() && !children.empty()) arguments.push_back(children.back());
    std::vector<Known> none;
    Known known;
    known.reference = program.Submit(child, arguments, none);
    known.id = child.id();
    children.push_back(std::move(known));
  }
  // The last child of an UNFINISHED plan is not waited for: its reference leaves this task before
  // it has a value, and whoever reads it waits for it there.
  const std::size_t awaited = children.size() - (plan.inner() == UNFINISHED ? 1 : 0);
  for (std::size_t i = 0; i < awaited; ++i) {
    const Result<std::uint64_t> weight = co_await program.Read(children[i]);
    if (!weight) co_return Fail(weight.error());
    hash = Mix(hash, *weight);
  }
  const bool is_wanted = plan.inner() == CHILD || plan.inner() == UNFINISHED;
  co_return is_wanted ? children.back().reference : nullptr;
}

}  // namespace

void SimulatedExecutor::Run(TaskHandle task, TaskCall call) {
  loop_.Post([this, task, call = std::move(call)]() mutable {
    // A task that has ended with a value and runs again is made again: its result was lost.
    const std::string id(call.id.Binary());
    ++world_.counters.attempts;
    if (world_.finished.contains(id)) ++world_.counters.made_again;
    if (call.attempt > 0) ++world_.counters.retries;
    tasks_.Spawn<Output>(Execute(task, std::move(call)), [this, task, id](Result<Output> output) {
      if (output) ++world_.finished[id];
      world_.capacity.OnTaskEnded(core_.self());
      if (!output) return core_.OnTaskFailed(task, output.error());
      core_.OnResult(task, 0, std::move(*output), core_worker::IsLast::kYes);
    });
  });
}

Task<core_worker::TaskOutput> SimulatedExecutor::Execute(TaskHandle task, TaskCall given) {
  Program program(world_, loop_, core_, task);
  Call call;
  if (given.arguments.empty() || !call.ParseFromString(std::string(given.arguments[0].text())) ||
      given.arguments.size() != 1 + static_cast<std::size_t>(call.arguments_size())) {
    world_.Violate("task {} was run with other arguments than it was submitted with",
                   given.constants->name());
    co_return Fail(ErrorCode::kCorrupt, "arguments");
  }
  const Plan& plan = call.plan();
  // The worker holds the task's resources from here on. That they fit is checked by what runs, not
  // by what a raylet has granted.
  if (auto exceeded = world_.capacity.OnTaskStarted(core_.self(), AmountsOf(plan))) {
    world_.Violate(std::move(*exceeded));
  }
  co_await program.Sleep(std::chrono::microseconds(plan.time_us()));
  // Planted bugs: a run with one of them must be found to be wrong.
  if (world_.plant == Plant::kLoseTask && IsHit(plan)) {
    co_await program.Sleep(std::chrono::years(1));
  }
  const Result<std::uint64_t> read = co_await ReadInputs(program, call, std::move(given.arguments));
  if (!read) co_return Fail(read.error());
  std::uint64_t hash = *read;
  Result<ReferencePtr> inner = co_await RunChildren(program, plan, hash);
  if (!inner) co_return Fail(std::move(inner.error()));
  if (plan.inner() == PUT) {
    inner = co_await program.Put(Mix(plan.constant(), 1), plan.value_bytes());
    if (!inner) co_return Fail(ErrorCode::kTaskFailed, "Put: {}", inner.error().ToString());
  } else if (plan.inner() == CONTAINED) {
    // A borrowed reference is passed on: neither this worker nor the task's owner owns the object.
    inner = program.Borrow(call.references(0));
  }
  if (world_.plant == Plant::kLeakReference && *inner != nullptr) leaked_.push_back(*inner);
  if (world_.plant == Plant::kWrongValue && IsHit(plan)) ++hash;
  co_return co_await Return(program, given.id, plan, hash, std::move(*inner));
}

Task<core_worker::TaskOutput> SimulatedExecutor::Return(Program& program, TaskId task,
                                                        const Plan& plan, std::uint64_t hash,
                                                        ReferencePtr inner) {
  protocol::Reference named;
  if (inner != nullptr) named = ToMessage(*inner);
  std::string bytes = EncodeValue(hash, plan.value_bytes(), inner != nullptr ? &named : nullptr);
  Output output;
  internal::SerializedValue& value = output.value;
  value.size = bytes.size();
  if (inner != nullptr) value.references.push_back(std::move(inner));
  // Both ways that a large value may take: stored here, or by the core worker.
  if (program.IsLarge(bytes.size()) && hash % 2 == 0) {
    const ObjectId id = ObjectId::OfTask(task, 0);
    const Result<bool> stored = co_await program.Store(id, std::move(bytes));
    if (!stored) co_return Fail(stored.error());
    output.is_stored = true;
  } else {
    value.document = std::move(bytes);
  }
  co_return output;
}

}  // namespace mobula::sim
