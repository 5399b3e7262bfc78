/// \file
/// \edge
/// \brief Starting one program, with everything prepared before and every error reported after.
#pragma once

#include <cstdint>

#include "components/base/process_launcher.h"

namespace mobula {

/// A child that runs its program and was not reaped.
struct Spawned {
  std::int64_t pid = 0;
  int pidfd = -1;  ///< Readable when the child has ended; the caller's to close.
};

/// Starts a process as `RealProcessLauncher` promises. Threads: any.
/// Errors as `ProcessLauncher::Launch`.
[[nodiscard]] Result<Spawned> Spawn(const ProcessSpec& spec);

}  // namespace mobula
