#include "components/base/real/spin_budget.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace mobula {

SpinBudget::SpinBudget()
    : load_(::open("/proc/loadavg", O_RDONLY | O_CLOEXEC)),
      cores_(::sysconf(_SC_NPROCESSORS_ONLN)) {}

SpinBudget::~SpinBudget() {
  if (load_ >= 0) ::close(load_);
}

Duration SpinBudget::Next(TimePoint now, bool has_woken) {
  if (usual_wait_ > kSpinMax) return Duration(0);
  const bool is_burst = now - last_end_ < kBurstGap && last_gap_ < kBurstGap;
  const bool is_trial = has_woken && is_burst && ++woken_in_bursts_ % kWaitsPerTrial == 0;
  if ((has_woken && !is_trial) || !IsACoreFree(now)) return Duration(0);
  return is_trial ? kSpinMax : std::clamp(usual_wait_ * kSpinsPerUsualWait, kSpinMin, kSpinMax);
}

void SpinBudget::Add(TimePoint begin, TimePoint end) {
  last_gap_ = end - std::exchange(last_end_, end);
  usual_wait_ = (usual_wait_ * 3 + std::min<Duration>(end - begin, 4 * kSpinMax)) / 4;
}

/// The fourth field is "threads that run or want to / threads". We are one of them.
bool SpinBudget::IsACoreFree(TimePoint now) {
  if (load_ < 0 || now - looked_at_ < kLookAgainAfter) return crowding_ < kCrowdedAbove;
  looked_at_ = now;
  std::array<char, 64> text;
  const ssize_t size = ::pread(load_, text.data(), text.size(), 0);
  const std::string_view line(text.data(), size < 0 ? 0 : static_cast<std::size_t>(size));
  const std::size_t slash = line.find('/');
  const std::size_t start = line.rfind(' ', slash);
  if (slash == std::string_view::npos || start == std::string_view::npos) return true;
  long running = 0;
  std::from_chars(line.data() + start + 1, line.data() + slash, running);
  crowding_ = (crowding_ * 3 + (running > cores_ ? 1 : 0)) / 4;  // some threads run only briefly
  return crowding_ < kCrowdedAbove;
}

}  // namespace mobula
