/// \file
/// \brief The launchers that there are, each with what its workers need to stay alive.
#pragma once

#include <memory>

#include "tests/conformance/raylet/launcher_checks.h"

namespace mobula::raylet::conformance {

/// Real processes; each worker is this test's own executable, see `RunAsZygote`.
[[nodiscard]] std::unique_ptr<LauncherWorld> MakeZygoteWorld();
/// Threads of this process that join a small raylet of the test.
[[nodiscard]] std::unique_ptr<LauncherWorld> MakeThreadWorld();
/// Workers on a simulated loop that join the same small raylet.
[[nodiscard]] std::unique_ptr<LauncherWorld> MakeSimulatedWorld();

/// If a launcher has started this process, serves as its zygote, does in a forked worker what its
/// request says, and does not return. Else does nothing.
void RunAsZygote();

}  // namespace mobula::raylet::conformance
