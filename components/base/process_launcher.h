/// \file
/// \brief The process seam: who starts programs and learns how they ended.
///
/// Real: real/process_launcher.h (fork and exec, one process group each).
/// Simulated: a "process" is a component on the same loop. The worker pool's zygote stands above
/// this seam: one launched program that forks workers on request.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "components/base/result.h"

namespace mobula {

/// How a process ended.
struct ExitStatus {
  int code = 0;    ///< Exit code if `signal` is 0; -1 if somebody else reaped the process.
  int signal = 0;  ///< Signal that ended it, or 0.
  /// \return "exit code 3" or "signal 11 (SIGSEGV)".
  [[nodiscard]] std::string ToString() const;
};

/// What to start.
struct ProcessSpec {
  std::vector<std::string> arguments;              ///< The program's path first.
  std::map<std::string, std::string> environment;  ///< Added to the launcher's own.
  std::string folder;                              ///< Working folder; empty: the launcher's.
  std::string log_path;  ///< Standard output and error go to its end; empty: the launcher's.
  int inherit_fd = -1;   ///< Becomes descriptor 3 of the child; -1: none. Still the caller's.
};

/// Threads: the state lock of the loop. Lifetime: processes still running when it is destroyed
/// are killed with their groups.
class ProcessLauncher {
 public:
  using OnExit = std::move_only_function<void(ExitStatus)>;
  virtual ~ProcessLauncher() = default;

  /// Starts a process in a process group of its own; it is killed if this process ends, and when
  /// it ends, so is what is left of its group. Its standard input is empty.
  /// `on_exit` runs on the loop, once, after the process was reaped.
  /// \return its pid. kNotFound if there is no such program; kInternal otherwise.
  [[nodiscard]] virtual Result<std::int64_t> Launch(const ProcessSpec& spec, OnExit on_exit) = 0;
  /// Signals the whole group of a launched process; one already gone is fine.
  virtual void SignalGroup(std::int64_t pid, int signal) = 0;
};

}  // namespace mobula
