/// \file
/// \brief What this process's executable is: its path, arguments and content hash.
#pragma once

#include "components/base/result.h"
#include "components/core_worker/worker.pb.h"

namespace mobula::node {

/// \return this process as a `Program`. Cost: reads the executable once (about 0.1 s a GB).
[[nodiscard]] Result<core_worker::Program> ThisProgram();

}  // namespace mobula::node
