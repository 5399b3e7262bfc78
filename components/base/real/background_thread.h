/// \file
/// \edge
/// \brief `BackgroundThread` over one thread of the operating system.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "components/base/background_thread.h"
#include "components/base/lifetime.h"

namespace mobula {

/// The thread begins with the first work, so one that is never used costs nothing.
class RealBackgroundThread final : public BackgroundThread {
 public:
  /// \param loop outlives this.
  explicit RealBackgroundThread(EventLoop& loop) : loop_(loop) {}
  ~RealBackgroundThread() override;

  void Run(Work work, EventLoop::Callback done) override;

 private:
  void Serve();

  EventLoop& loop_;
  // Guarded by `lock_`, a leaf: nothing else is locked or called under it.
  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<std::pair<Work, EventLoop::Callback>> queue_;
  bool is_ending_ = false;

  std::thread thread_;
  Lifetime alive_;
};

}  // namespace mobula
