/// \file
/// \brief How long a thread that waits may spin before it sleeps.
#pragma once

#include <cstdint>
#include <optional>

#include "components/base/event_loop.h"

namespace mobula {

/// Learns from the waits of one process.
///
/// To wake a thread costs 5 to 90 us and both sides pay; to spin costs a core. So a thread spins if
/// waits have been short of late, for a few times as long as they were, and only if every thread
/// that wants a core has one. Not if the peer is on this very core, where the kernel likes to wake
/// it: passing a core on costs 3 us, and spinning keeps the peer from it. But in a burst of waits
/// two that sleep by turns would do better awake: one moves to another core and spins there.
/// (Adaptive mutexes; eRPC.)
/// Threads: one at a time.
class SpinBudget {
 public:
  static constexpr Duration kSpinMax = std::chrono::microseconds(300);
  static constexpr Duration kSpinMin = std::chrono::microseconds(60);
  static constexpr int kSpinsPerUsualWait = 4;
  static constexpr std::uint64_t kWaitsPerMove = 8;  ///< Of those on a core that is shared.
  /// Waits whose ends follow each other faster are a burst.
  static constexpr Duration kBurstGap = std::chrono::microseconds(200);
  /// How old the answer to "is there a core for everyone" may be.
  static constexpr Duration kLookAgainAfter = std::chrono::milliseconds(2);
  /// The share of looks that may find more threads than cores.
  static constexpr double kCrowdedAbove = 0.7;

  SpinBudget();
  ~SpinBudget();
  SpinBudget(const SpinBudget&) = delete;
  SpinBudget& operator=(const SpinBudget&) = delete;

  /// A peer was woken by us, or we by it, when it was last seen on that core. A hint that nothing
  /// checks; it lasts until the end of the next wait.
  void NotePeer(int core) {
    peer_core_ = core;
    is_peer_new_ = true;
  }
  /// \return how long the wait that is under way may spin. Cost: a system call every 2 ms at most.
  [[nodiscard]] Duration Next(TimePoint now);
  /// A wait ended, spun and slept.
  void Add(TimePoint begin, TimePoint end);

 private:
  [[nodiscard]] bool IsACoreFree(TimePoint now);

  int load_;  // /proc/loadavg; -1: there is none, and nobody holds us back
  std::int64_t cores_;
  TimePoint looked_at_{};
  double crowding_ = 0;  // share of late looks that found more threads than cores
  TimePoint last_end_{};
  Duration last_gap_ = Duration::max();  // between the ends of two waits
  Duration usual_wait_{};
  std::uint64_t shared_core_ = 0;  // waits in bursts, beside the peer
  std::optional<int> peer_core_;   // noted in this wait or the last
  bool is_peer_new_ = false;       // in this one
};

}  // namespace mobula
