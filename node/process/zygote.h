/// \file
/// \edge
/// \brief The zygote: a program stopped at the beginning of `Init`, which forks workers on request.
///
/// Starting a program costs an exec, its dynamic linking and its static initialisers; forking it
/// costs about a millisecond. So a raylet execs the program of a job once; when it calls
/// `mobula::Init` it finds `kZygoteVariable` in its environment and serves fork requests on
/// descriptor 3, with one thread and nothing else running, which is what makes the fork safe.
#pragma once

#include "node/process/zygote.pb.h"

namespace mobula::node {

/// Set in the environment of a zygote by its raylet.
inline constexpr const char* kZygoteVariable = "MOBULA_ZYGOTE";
/// The zygote's end of its socket pair.
inline constexpr int kZygoteDescriptor = 3;

/// \return true if this process was started to be a zygote.
[[nodiscard]] bool IsZygote();

/// Serves until the raylet closes its end; then ends the whole process group and does not return.
/// Returns only in a forked worker, with what that worker must know.
[[nodiscard]] ForkRequest RunZygote();

}  // namespace mobula::node
