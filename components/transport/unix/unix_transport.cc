#include "components/transport/unix/unix_transport.h"

#include "components/transport/stream/unix_socket.h"

namespace mobula::transport {

std::unique_ptr<Transport> MakeUnixTransport(RealEventLoop& loop) {
  return MakeStreamTransport(
      loop, {.scheme = "unix",
             .abilities = {TransportAbilities::Reach::kHost, true},
             .resolve = [](std::string_view endpoint) { return UnixAddress("unix", endpoint); },
             .listen = [](std::string_view endpoint) { return ListenUnix("unix", endpoint); },
             .prepare = PrepareUnix});
}

}  // namespace mobula::transport
