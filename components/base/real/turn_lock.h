/// \file
/// \brief `TurnLock`: the state lock of a process, and the turns that its loop thread has with it.
#pragma once

#include <atomic>
#include <mutex>

namespace mobula {

/// A mutex that a user's thread may hold for long while it polls, if it lets go when asked.
///
/// A standard mutex does not say that somebody waits for it. So the loop's thread counts itself in
/// before it locks, and a thread that polls looks at that count between two polls.
/// Threads: any.
class TurnLock {
 public:
  TurnLock() = default;
  TurnLock(const TurnLock&) = delete;
  TurnLock& operator=(const TurnLock&) = delete;

  /// Holds the lock for the loop's thread.
  class Turn {
   public:
    explicit Turn(TurnLock& lock) : lock_(lock) {
      ++lock_.waiting_;
      lock_.mutex_.lock();
      --lock_.waiting_;
      lock_.is_taken_ = true;
    }
    ~Turn() {
      lock_.is_taken_ = false;
      lock_.mutex_.unlock();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    TurnLock& lock_;
  };

  [[nodiscard]] std::mutex& mutex() { return mutex_; }
  /// \return whether the loop's thread waits for its turn.
  [[nodiscard]] bool IsWanted() const { return waiting_ > 0; }
  /// \return whether the loop's thread has it: then it is awake, and what is posted runs next.
  [[nodiscard]] bool IsTurn() const { return is_taken_; }

 private:
  std::mutex mutex_;
  std::atomic<int> waiting_ = 0;
  std::atomic<bool> is_taken_ = false;
};

}  // namespace mobula
