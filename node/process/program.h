/// \file
/// \edge
/// \brief What this process's executable is: its path, arguments and content hash.
#pragma once

#include "components/base/result.h"
#include "components/protocol/common.pb.h"

namespace mobula::node {

/// \return this process as a `Program`. Cost: reads the executable once (about 0.1 s a GB).
[[nodiscard]] Result<protocol::Program> ThisProgram();

}  // namespace mobula::node
