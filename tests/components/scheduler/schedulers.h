/// \file
/// \brief Makes schedulers by kind, and reads their actions.
#pragma once

#include "components/base/registry.h"
#include "tests/components/scheduler/worlds.h"

namespace mobula::scheduler::testing {

inline std::unique_ptr<Scheduler> MakeScheduler(const ConfigValue& config, NodeView local,
                                                std::uint64_t seed = 1) {
  Registry<SchedulerMaker> schedulers("scheduler");
  RegisterSchedulers(schedulers);
  const auto maker = schedulers.Find(*config.map()->at("kind").scalar());
  EXPECT_TRUE(maker.has_value());
  auto scheduler = (**maker)(config, std::move(local), Policies(), Random(seed));
  EXPECT_TRUE(scheduler.has_value()) << scheduler.error().ToString();
  return *std::move(scheduler);
}

inline LeaseAsk Ask(std::uint64_t ticket, ResourceRequest request) {
  LeaseAsk ask;
  ask.ticket = ticket;
  ask.request = std::move(request);
  ask.key_text = "Square";
  return ask;
}

inline LeaseAsk Deep(LeaseAsk ask, std::uint32_t depth) {
  ask.depth = depth;
  return ask;
}

inline LeaseAsk Of(std::uint8_t owner, LeaseAsk ask) {
  ask.owner = WorkerId::FromBinaryOrNil(std::string(WorkerId::kSize, static_cast<char>(owner)));
  return ask;
}

inline LeaseAsk Hopped(LeaseAsk ask, std::uint32_t hops) {
  ask.hops = hops;
  return ask;
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
