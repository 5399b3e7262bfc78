/// \file
/// \brief Sends each request to the policy that its strategy asks for.
#pragma once

#include "components/scheduler/scheduling_policy.h"

namespace mobula::scheduler {

/// A request for `Spread` goes to `spread`, everything else to `usual`. A wish for a node or for
/// labels needs no policy of its own: it is part of the filter that every policy begins with.
///
/// Lifetime: owns both. Its name is that of `usual`.
class StrategyPolicy final : public SchedulingPolicy {
 public:
  StrategyPolicy(std::unique_ptr<SchedulingPolicy> usual, std::unique_ptr<SchedulingPolicy> spread)
      : usual_(std::move(usual)), spread_(std::move(spread)) {}

  Decision Choose(const ResourceRequest& request, const ClusterView& view) override {
    return (std::holds_alternative<Spread>(request.strategy) ? spread_ : usual_)
        ->Choose(request, view);
  }
  [[nodiscard]] std::string_view Name() const override { return usual_->Name(); }

 private:
  std::unique_ptr<SchedulingPolicy> usual_;
  std::unique_ptr<SchedulingPolicy> spread_;
};

}  // namespace mobula::scheduler
