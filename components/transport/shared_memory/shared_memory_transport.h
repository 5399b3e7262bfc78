/// \file
/// \brief `shm+unix:///path`: rings in shared memory between two processes of one machine.
///
/// A unix connection that upgrades itself. The end that connects makes a memfd with a ring for each
/// direction and two doorbells (eventfds), and sends all three over the socket before anything
/// else. From then on frames are bytes in the rings; the socket passes descriptors, and its end is
/// the peer's death. A sender makes a system call only if the peer sleeps: once a batch.
///
///     connects                         accepts
///        │──── Hello + 3 descriptors ────►│   before it: nothing is mapped; a socket's bounds
///        │ ring ═════════ frames ════════►│   rings the doorbell if the other is parked
///        │◄═════════════ frames ═════ ring│
///        │──── socket: descriptors, end ──│
///
/// Estimate: a frame of 100 bytes costs two copies (20 ns) and one fence (20 ns) a side, and a
/// cache line from the other core (100-400 ns); parked, a wake-up (5-90 us). Memory: `kRingBytes`
/// a direction, touched as it is used. Source: Ray uses gRPC here; iceoryx2 and eRPC do not.
#pragma once

#include <cstddef>
#include <memory>

#include "components/transport/transport.h"

namespace mobula::transport {

/// Of each ring: a burst of two thousand small tasks. Longer frames pass in pieces.
inline constexpr std::size_t kRingBytes = std::size_t{128} << 10;

/// \return a transport over shared memory. Its connections are `Pollable`s of `loop`.
[[nodiscard]] std::unique_ptr<Transport> MakeSharedMemoryTransport(RealEventLoop& loop);

inline constexpr Kind<Transport> kSharedMemory{
    "shared_memory", [](ConfigReader&, const Transport::Context& context) -> Kind<Transport>::Made {
      return MakeSharedMemoryTransport(context.real_loop);
    }};

}  // namespace mobula::transport
