/// \file
/// \brief What every `WorkerLauncher` must do, as checks that can be run against right and wrong
/// ones.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "components/raylet/worker_launcher.h"

namespace mobula::raylet::conformance {

/// A launcher, and the surroundings in which its workers live.
class LauncherWorld {
 public:
  enum class Worker : std::uint8_t {
    kStays,        ///< Runs until it is ended.
    kEnds,         ///< Ends by itself, with `ends_with()`.
    kCannotStart,  ///< There is no such program.
  };
  virtual ~LauncherWorld() = default;

  [[nodiscard]] virtual WorkerLauncher& launcher() = 0;
  virtual void DestroyLauncher() = 0;
  /// \return nullopt if workers of this launcher need no program and so cannot lack it.
  [[nodiscard]] virtual std::optional<WorkerSpec> Spec(const JobId& job, Worker worker) = 0;
  [[nodiscard]] virtual ExitStatus ends_with() const = 0;
  /// \return whether a worker whose start was told has come so far that it would stay.
  [[nodiscard]] virtual bool HasBegun(const WorkerId& startup) const = 0;
  /// \return whether the operating system still runs it; false if it never was a process.
  [[nodiscard]] virtual bool IsProcess(std::int64_t pid) const = 0;
  /// Calls the launcher as the worker pool does.
  virtual void Enter(const std::function<void()>& act) = 0;
  /// Runs the loop. \return false if `condition` never held.
  [[nodiscard]] virtual bool RunUntil(const std::function<bool()>& condition) = 0;
  /// Runs what is due by now, after the launcher is gone.
  virtual void RunReady() = 0;
};
using MakeLauncherWorld = std::function<std::unique_ptr<LauncherWorld>()>;

/// One promise of worker_launcher.h.
struct LauncherCheck {
  const char* name;
  const char* promise;  ///< As it stands in the header.
  /// \return what was broken, in words; nothing when the promise was kept.
  std::optional<std::string> (*run)(LauncherWorld& world);
};

[[nodiscard]] const std::vector<LauncherCheck>& LauncherChecks();

}  // namespace mobula::raylet::conformance
