/// \file
/// \brief `Sleepers`: users' threads that sleep in `Await`, one of which answers the doorbells.
///
/// When the answer of another process comes, the thread that wants it should be woken, and not the
/// loop's thread, which would then have to wake it. So the first thread that sleeps answers the
/// doorbells; those that come later wait until it, or the loop, tells them.
///
///     bells belong to the loop ── first Sleep ──► to that thread ── it wakes ──► still to threads
///            ▲                                                                        │
///            └───── ReturnBells: others still sleep, or nobody has waited lately ─────┘
#pragma once

#include <mutex>

#include "components/base/real/doorbells.h"
#include "components/base/wait_point.h"

namespace mobula {

/// Threads: the state lock.
class Sleepers {
 public:
  /// Blocks until a bell rings or `changed` is notified; or for no reason.
  /// \param lock holds the state lock, here and when this returns.
  void Sleep(std::unique_lock<std::mutex>& lock, WaitPoint& changed);
  /// Gives the bells to the loop, unless a thread that sleeps answers them.
  void ReturnBells();
  [[nodiscard]] bool AnyAsleep() const { return asleep_ > 0; }
  [[nodiscard]] Doorbells& doorbells() { return doorbells_; }

 private:
  Doorbells doorbells_;
  bool is_answered_ = false;  // a thread that sleeps answers the bells
  int asleep_ = 0;            // threads that sleep: that one, and others
};

}  // namespace mobula
