/// \file
/// \edge
/// \brief The clock of the operating system.
#pragma once

#include "components/base/event_loop.h"

namespace mobula {

/// Steady time counts from construction, so that logs start near zero. Threads: any.
class RealClock final : public Clock {
 public:
  RealClock();
  [[nodiscard]] TimePoint Now() const override;
  [[nodiscard]] Duration WallNow() const override;

 private:
  std::chrono::steady_clock::time_point start_;
};

}  // namespace mobula
