/// \file
/// \edge
/// \brief `BackgroundThread` without a thread: work runs as a later event of the loop.
#pragma once

#include <utility>

#include "components/base/background_thread.h"
#include "components/base/lifetime.h"

namespace mobula::sim {

/// Work and `done` are two events, so others may come between, as with a real thread.
class SimulatedBackgroundThread final : public BackgroundThread {
 public:
  /// \param loop outlives this.
  explicit SimulatedBackgroundThread(EventLoop& loop) : loop_(loop) {}

  void Run(Work work, EventLoop::Callback done) override {
    loop_.Post(alive_.Bind([this, work = std::move(work), done = std::move(done)]() mutable {
      work();
      work = nullptr;
      loop_.Post(alive_.Bind(std::move(done)));
    }));
  }

 private:
  EventLoop& loop_;
  Lifetime alive_;
};

}  // namespace mobula::sim
