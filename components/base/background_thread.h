/// \file
/// \edge
/// \brief The seam for work that blocks: one thread beside the loop, fed and heard by messages.
///
/// A disk that syncs takes milliseconds, and a loop that waits for it serves nobody meanwhile. Such
/// work is handed over and done elsewhere, in order; what it found comes back as a callback on the
/// loop. Real: real/background_thread.h. Simulated: later events of the same loop.
#pragma once

#include "components/base/event_loop.h"

namespace mobula {

/// Threads: `Run` with the state lock held. Lifetime: destruction waits for the work that runs and
/// drops the rest; `done` never runs after it. Work owns what it touches, or that outlives this.
class BackgroundThread {
 public:
  using Work = std::move_only_function<void()>;
  virtual ~BackgroundThread() = default;

  /// Runs `work` off the loop, without the state lock, after all work handed over before; then
  /// `done` on the loop, in the same order.
  virtual void Run(Work work, EventLoop::Callback done) = 0;
};

}  // namespace mobula
