// \edge: turns values into bytes and back, kind by kind
#include "mobula/options.h"

#include <cmath>

#include "components/base/resources.h"

namespace mobula::internal {
namespace {

Result<SchedulingStrategy> ToStrategy(const Scheduling& scheduling) {
  if (std::holds_alternative<Spread>(scheduling)) return Spread{};
  const auto* const affinity = std::get_if<NodeAffinity>(&scheduling);
  if (affinity == nullptr) return DefaultScheduling{};
  const Result<std::string> binary = FromHex(affinity->node_id_hex);
  if (!binary || binary->size() != NodeId::kSize) {
    return Fail(ErrorCode::kInvalidArgument, "'{}' is not a node id of {} hex digits",
                affinity->node_id_hex, 2 * NodeId::kSize);
  }
  return OnNode{.node = NodeId::FromBinaryOrNil(*binary), .soft = affinity->soft};
}

}  // namespace

Result<TaskOptions> ToTaskOptions(const RemoteOptions& options) {
  TaskOptions task;
  for (const auto& [name, amount] : options.resources) {
    if (name.empty() || name == kCpu || name == kGpu || name == kMemory) {
      return Fail(ErrorCode::kInvalidArgument,
                  "resource '{}' is not a custom one; use num_cpus, num_gpus or memory", name);
    }
    task.resources[name] = amount;
  }
  task.resources[std::string(kCpu)] = options.num_cpus;
  task.resources[std::string(kGpu)] = options.num_gpus;
  task.resources[std::string(kMemory)] = options.memory;
  for (const auto& [name, amount] : task.resources) {
    if (!std::isfinite(amount) || amount < 0) {
      return Fail(ErrorCode::kInvalidArgument, "a task cannot want {} of '{}'", amount, name);
    }
  }
  std::erase_if(task.resources, [](const auto& entry) { return entry.second == 0; });
  if (options.max_retries < -1) {
    return Fail(ErrorCode::kInvalidArgument,
                "max_retries is {}; it is 0 or more, or -1 for without end", options.max_retries);
  }
  task.max_retries = options.max_retries;
  task.retry_exceptions = options.retry_exceptions;
  task.name = options.name;
  Result<SchedulingStrategy> strategy = ToStrategy(options.scheduling);
  if (!strategy) return Fail(std::move(strategy.error()));
  task.strategy = *strategy;
  return task;
}

const TaskOptions& DefaultTaskOptions() {
  static const TaskOptions* const options = new TaskOptions(*ToTaskOptions({}));  // never freed
  return *options;
}

}  // namespace mobula::internal
