/// \file
/// \edge
/// \brief Starts programs as `vfork` and `exec` do, and learns of their end through pidfds.
///
/// The library lives in programs of users, so it installs no SIGCHLD handler and waits for no
/// process but its own: each child has a pidfd, which the loop watches like a socket.
#pragma once

#include <map>
#include <memory>

#include "components/base/lifetime.h"
#include "components/base/process_launcher.h"
#include "components/base/real/event_loop.h"

namespace mobula {

/// A `ProcessLauncher` over the operating system.
///
/// A child gets no descriptors but 0, 1, 2 and, with `inherit_fd`, 3; default signal handling; and
/// SIGKILL when its parent ends. The kernel ties that last one to the *thread* that launched: call
/// `Launch` on a thread that lives as long as the process, which the loop's thread does.
/// Threads: the state lock. Lifetime: the loop outlives it. Destruction kills and reaps.
/// Cost: `Launch` blocks the caller until the child has exec'd, about a millisecond.
class RealProcessLauncher final : public ProcessLauncher {
 public:
  explicit RealProcessLauncher(RealEventLoop& loop);
  ~RealProcessLauncher() override;
  RealProcessLauncher(const RealProcessLauncher&) = delete;
  RealProcessLauncher& operator=(const RealProcessLauncher&) = delete;

  [[nodiscard]] Result<std::int64_t> Launch(const ProcessSpec& spec, OnExit on_exit) override;
  void SignalGroup(std::int64_t pid, int signal) override;

 private:
  struct Child;

  void Watch(std::int64_t pid);
  void Reap(std::int64_t pid);

  RealEventLoop* loop_;
  std::map<std::int64_t, std::unique_ptr<Child>> children_;
  Lifetime alive_;
};

}  // namespace mobula
