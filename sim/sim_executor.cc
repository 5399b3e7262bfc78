// \edge: reads keys from YAML, one after the other
#include "sim/sim_executor.h"

#include "components/protocol/common.pb.h"

namespace mobula::sim {

using core_worker::RunnableTask;
using internal::ReferencePtr;

namespace {

constexpr std::uint64_t kPlantedOneIn = 50;

bool IsHit(const Plan& plan) { return plan.constant() % kPlantedOneIn == 0; }

}  // namespace

void SimulatedExecutor::Run(RunnableTask task) {
  loop_.Post([this, task = std::move(task)]() mutable {
    const std::string id(task.id.Binary());
    ++world_.counters.attempts;
    if (world_.finished.contains(id)) ++world_.counters.made_again;
    if (task.attempt > 0) ++world_.counters.retries;
    tasks_.Spawn<Outputs>(Execute(std::move(task)), [this, id](Result<Outputs> outputs) {
      if (outputs) ++world_.finished[id];
      world_.capacity.OnTaskEnded(core_.self());
      core_.FinishTask(std::move(outputs));
    });
  });
}

Task<SimulatedExecutor::Outputs> SimulatedExecutor::Execute(RunnableTask task) {
  Call call;
  if (task.arguments.empty() || !call.ParseFromString(std::string(task.arguments[0].text())) ||
      task.arguments.size() != 1 + static_cast<std::size_t>(call.arguments_size())) {
    world_.Violate("task {} was run with other arguments than it was submitted with",
                   task.constants->name());
    co_return Fail(ErrorCode::kCorrupt, "arguments");
  }
  const Plan& plan = call.plan();
  if (auto exceeded = world_.capacity.OnTaskStarted(core_.self(), AmountsOf(plan))) {
    world_.Violate(std::move(*exceeded));
  }
  co_await program_.Sleep(std::chrono::microseconds(plan.time_us()));
  if (world_.plant == Plant::kLoseTask && IsHit(plan)) {
    co_await program_.Sleep(std::chrono::years(1));
  }
  const Result<std::uint64_t> read = co_await ReadInputs(call, std::move(task.arguments));
  if (!read) co_return Fail(read.error());
  std::uint64_t hash = *read;
  Result<ReferencePtr> inner = co_await RunChildren(plan, hash);
  if (!inner) co_return Fail(std::move(inner.error()));
  if (plan.inner() == PUT) {
    inner = co_await program_.Put(Mix(plan.constant(), 1), plan.value_bytes());
    if (!inner) co_return Fail(ErrorCode::kTaskFailed, "Put: {}", inner.error().ToString());
  } else if (plan.inner() == CONTAINED) {
    inner = program_.Borrow(call.references(0));
  }
  if (world_.plant == Plant::kLeakReference && *inner != nullptr) leaked_.push_back(*inner);
  if (world_.plant == Plant::kWrongValue && IsHit(plan)) ++hash;
  co_return co_await Return(task.id, plan, hash, std::move(*inner));
}

Task<std::uint64_t> SimulatedExecutor::ReadInputs(const Call& call,
                                                  std::vector<Payload> arguments) {
  std::uint64_t hash = call.plan().constant();
  for (int i = 0; i < call.arguments_size(); ++i) {
    const Result<std::uint64_t> weight = co_await program_.Weigh(
        call.arguments(i), std::move(arguments[static_cast<std::size_t>(i) + 1]));
    if (!weight) co_return Fail(weight.error());
    hash = Mix(hash, *weight);
  }
  for (int i = 0; i < call.contained_size(); ++i) {
    Known known;
    known.reference = program_.Borrow(call.references(i));
    known.id = call.contained(i);
    const Result<std::uint64_t> weight = co_await program_.Read(std::move(known));
    if (!weight) co_return Fail(weight.error());
    hash = Mix(hash, *weight);
  }
  co_return hash;
}

/// \return the last child if the value is to refer to it.
Task<ReferencePtr> SimulatedExecutor::RunChildren(const Plan& plan, std::uint64_t& hash) {
  std::vector<Known> children;
  for (const Plan& child : plan.children()) {
    std::vector<Known> arguments;
    if (plan.is_chained() && !children.empty()) arguments.push_back(children.back());
    std::vector<Known> none;
    Known known;
    known.reference = program_.Submit(child, arguments, none);
    known.id = child.id();
    children.push_back(std::move(known));
  }
  const std::size_t awaited = children.size() - (plan.inner() == UNFINISHED ? 1 : 0);
  for (std::size_t i = 0; i < awaited; ++i) {
    const Result<std::uint64_t> weight = co_await program_.Read(children[i]);
    if (!weight) co_return Fail(weight.error());
    hash = Mix(hash, *weight);
  }
  const bool is_wanted = plan.inner() == CHILD || plan.inner() == UNFINISHED;
  co_return is_wanted ? children.back().reference : nullptr;
}

Task<SimulatedExecutor::Outputs> SimulatedExecutor::Return(TaskId task, const Plan& plan,
                                                           std::uint64_t hash, ReferencePtr inner) {
  protocol::Reference named;
  if (inner != nullptr) named = ToMessage(*inner);
  std::string bytes = EncodeValue(hash, plan.value_bytes(), inner != nullptr ? &named : nullptr);
  Outputs outputs(1);
  internal::SerializedValue& value = outputs[0].value;
  value.size = bytes.size();
  if (inner != nullptr) value.references.push_back(std::move(inner));
  // Both ways that a large value may take: stored here, or by the core worker.
  if (program_.IsLarge(bytes.size()) && hash % 2 == 0) {
    const ObjectId id = ObjectId::OfTask(task, 0);
    const Result<bool> stored = co_await program_.Store(id, std::move(bytes));
    if (!stored) co_return Fail(stored.error());
    outputs[0].is_stored = true;
  } else {
    value.document = std::move(bytes);
  }
  co_return outputs;
}

}  // namespace mobula::sim
