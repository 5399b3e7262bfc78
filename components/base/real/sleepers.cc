#include "components/base/real/sleepers.h"

namespace mobula {

void Sleepers::Sleep(std::unique_lock<std::mutex>& lock, WaitPoint& changed) {
  ++asleep_;
  if (is_answered_) {
    // Another thread answers the bells. It runs what comes, also for this one, and notifies it.
    changed.Wait(lock);
  } else {
    // The bells are taken before the lock is let go: a ring in between ends the sleep below.
    is_answered_ = true;
    doorbells_.GiveToLoop(false);
    // Callbacks of this process may make the condition true, too. They ring a bell of our own.
    changed.OnNotify([this] { doorbells_.Wake(); });
    lock.unlock();
    doorbells_.Sleep();
    lock.lock();
    changed.OnNotify(nullptr);
    is_answered_ = false;
  }
  --asleep_;
}

void Sleepers::ReturnBells() {
  if (!is_answered_) doorbells_.GiveToLoop(true);
}

}  // namespace mobula
