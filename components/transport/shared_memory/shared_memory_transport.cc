#include "components/transport/shared_memory/shared_memory_transport.h"

#include "components/transport/shared_memory/ring_channel.h"
#include "components/transport/stream/unix_socket.h"

namespace mobula::transport {
namespace {

constexpr std::string_view kScheme = "shm+unix";

}  // namespace

std::unique_ptr<Transport> MakeSharedMemoryTransport(RealEventLoop& loop) {
  return MakeStreamTransport(
      loop, {.scheme = kScheme,
             .abilities = {TransportAbilities::Reach::kHost, true},
             .resolve = [](std::string_view endpoint) { return UnixAddress(kScheme, endpoint); },
             .listen = [](std::string_view endpoint) { return ListenUnix(kScheme, endpoint); },
             .prepare = PrepareUnix,
             .upgrade = MakeRingChannel});
}

}  // namespace mobula::transport
