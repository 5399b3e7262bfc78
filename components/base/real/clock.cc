#include "components/base/real/clock.h"

namespace mobula {

RealClock::RealClock() : start_(std::chrono::steady_clock::now()) {}

TimePoint RealClock::Now() const { return TimePoint(std::chrono::steady_clock::now() - start_); }

Duration RealClock::WallNow() const { return std::chrono::system_clock::now().time_since_epoch(); }

}  // namespace mobula
