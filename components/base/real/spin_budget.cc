#include "components/base/real/spin_budget.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <utility>

namespace mobula {
namespace {

/// Leaves this core to the one we talk to. \return false: this thread may run on no other.
bool MoveToAnotherCore() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return false;
  if (CPU_COUNT(&allowed) < 2) return false;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<std::size_t>(::sched_getcpu()), &others);
  if (::sched_setaffinity(0, sizeof others, &others) != 0) return false;
  return ::sched_setaffinity(0, sizeof allowed, &allowed) == 0;
}

}  // namespace

SpinBudget::SpinBudget()
    : load_(::open("/proc/loadavg", O_RDONLY | O_CLOEXEC)),
      cores_(::sysconf(_SC_NPROCESSORS_ONLN)) {}

SpinBudget::~SpinBudget() {
  if (load_ >= 0) ::close(load_);
}

Duration SpinBudget::Next(TimePoint now) {
  // Waits are long: spinning would end before they do.
  if (usual_wait_ > kSpinMax) return Duration(0);
  const bool is_shared = peer_core_ == ::sched_getcpu();
  const bool is_burst = now - last_end_ < kBurstGap && last_gap_ < kBurstGap;
  if (is_shared && !(is_burst && ++shared_core_ % kWaitsPerMove == 0)) return Duration(0);
  if (!IsACoreFree(now) || (is_shared && !MoveToAnotherCore())) return Duration(0);
  return std::clamp(usual_wait_ * kSpinsPerUsualWait, kSpinMin, kSpinMax);
}

void SpinBudget::Add(TimePoint begin, TimePoint end) {
  last_gap_ = end - std::exchange(last_end_, end);
  if (!std::exchange(is_peer_new_, false)) peer_core_.reset();
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
  std::int64_t running = 0;
  std::from_chars(line.data() + start + 1, line.data() + slash, running);
  crowding_ = (crowding_ * 3 + (running > cores_ ? 1 : 0)) / 4;  // some threads run only briefly
  return crowding_ < kCrowdedAbove;
}

}  // namespace mobula
