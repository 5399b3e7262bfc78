/// \file
/// \brief Processes of a simulation: each is an object on the common loop.
#pragma once

#include <csignal>
#include <functional>
#include <map>
#include <memory>

#include "components/base/event_loop.h"
#include "components/base/lifetime.h"
#include "components/base/process_launcher.h"

namespace mobula {

/// A program that the simulator plays. It is killed by destroying it, so what it does on its loop
/// must end with it: give it a `ScopedEventLoop` or a `Lifetime`.
class SimulatedProcess {
 public:
  virtual ~SimulatedProcess() = default;
  /// Gets any signal but SIGKILL, inside `SignalGroup`. Ending is up to it, through
  /// `SimulatedProcessLauncher::Exit`.
  virtual void Signal(int signal) = 0;
};

/// A `ProcessLauncher` whose processes a factory makes.
///
/// Pids count up from `first_pid`; give each node its own range. Threads: the loop's.
/// Lifetime: the loop outlives it. Its destruction destroys the processes, without `on_exit`.
class SimulatedProcessLauncher final : public ProcessLauncher {
 public:
  /// \return the process that `spec` starts; null if there is no such program.
  using Factory =
      std::function<std::unique_ptr<SimulatedProcess>(const ProcessSpec& spec, std::int64_t pid)>;

  SimulatedProcessLauncher(EventLoop& loop, Factory factory, std::int64_t first_pid = 1000);

  /// The factory runs inside. The process may already call `Exit` there.
  [[nodiscard]] Result<std::int64_t> Launch(const ProcessSpec& spec, OnExit on_exit) override;
  /// SIGKILL is `Exit` with that signal; others go to `SimulatedProcess::Signal`.
  void SignalGroup(std::int64_t pid, int signal) override;

  /// Ends a process: a posted event destroys it, then runs its `on_exit`. The first end counts;
  /// a pid that is not running is fine.
  void Exit(std::int64_t pid, ExitStatus status);
  /// \return pids of the running, ascending, without those that are ending.
  [[nodiscard]] std::vector<std::int64_t> running() const;

 private:
  struct Entry {
    std::unique_ptr<SimulatedProcess> process;
    OnExit on_exit;
    bool ending = false;
  };

  EventLoop* loop_;
  Factory factory_;
  std::int64_t next_pid_;
  std::map<std::int64_t, Entry> entries_;
  Lifetime alive_;
};

}  // namespace mobula
