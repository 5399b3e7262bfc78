/// \file
/// \brief `inproc://name`: connections inside one process, for embedded clusters and tests.
#pragma once

#include <memory>

#include "components/transport/transport.h"

namespace mobula::transport {

/// \return a transport whose names are its own: both sides must use the same object. Frames arrive
///         in the next loop turn after their flush; one attachment costs one copy.
[[nodiscard]] std::unique_ptr<Transport> MakeInprocessTransport(EventLoop& loop);

}  // namespace mobula::transport
