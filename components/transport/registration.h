/// \file
/// \edge
/// \brief The transports that `transport: {kind: …}` can name.
#pragma once

#include "components/transport/transport.h"

namespace mobula::transport {

/// \return the built-in kinds.
[[nodiscard]] Kinds<Transport> BuiltInTransports();

}  // namespace mobula::transport
