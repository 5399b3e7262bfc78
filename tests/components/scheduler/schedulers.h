/// \file
/// \brief Makes schedulers by kind, and reads their actions.
#pragma once

#include "tests/components/scheduler/worlds.h"

namespace mobula::scheduler::testing {

inline std::unique_ptr<Scheduler> MakeScheduler(const ConfigValue& config, NodeView local,
                                                std::uint64_t seed = 1) {
  const Kinds<SchedulingPolicy> policies = BuiltInPolicies();
  auto scheduler = BuiltInSchedulers().Make(
      config, "scheduler", kUsualScheduler,
      {.policies = policies, .local = std::move(local), .random = Random(seed)});
  EXPECT_TRUE(scheduler.has_value()) << scheduler.error().ToString();
  return *std::move(scheduler);
}

inline LeaseRequest Request(std::uint64_t ticket, ResourceRequest wants) {
  LeaseRequest request;
  request.ticket = ticket;
  request.wants = std::move(wants);
  return request;
}

inline LeaseRequest Deep(LeaseRequest request, std::uint32_t depth) {
  request.depth = depth;
  return request;
}

inline LeaseRequest Of(std::uint8_t owner, LeaseRequest request) {
  request.owner = WorkerId::FromBinaryOrNil(std::string(WorkerId::kSize, static_cast<char>(owner)));
  return request;
}

inline LeaseRequest Hopped(LeaseRequest request, std::uint32_t hops) {
  request.hops = hops;
  return request;
}

/// \return why the requests of one shape wait: of the only shape in the queue.
inline std::string ReasonOfQueue(const Scheduler& scheduler) {
  const std::vector<QueuedShape> queue = scheduler.Queue();
  EXPECT_EQ(queue.size(), 1U);
  return queue.empty() ? std::string() : queue.front().reason;
}

inline std::uint64_t TicketOf(const Action& action) {
  return std::visit([](const auto& one) { return one.ticket; }, action);
}

/// "grant 1, spill 2 to 02000000, reject 3, infeasible 4".
inline std::string Text(const std::vector<Action>& actions) {
  std::string text;
  for (const Action& action : actions) {
    text += text.empty() ? "" : ", ";
    if (std::holds_alternative<action::Grant>(action)) {
      text += fmt::format("grant {}", TicketOf(action));
    } else if (const auto* spill = std::get_if<action::SpillTo>(&action)) {
      text += fmt::format("spill {} to {}", spill->ticket, spill->node.Short());
    } else if (std::holds_alternative<action::Reject>(action)) {
      text += fmt::format("reject {}", TicketOf(action));
    } else {
      text += fmt::format("infeasible {}", TicketOf(action));
    }
  }
  return text;
}

}  // namespace mobula::scheduler::testing
