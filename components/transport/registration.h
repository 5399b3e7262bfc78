/// \file
/// \brief The transports that `transport: {kind: …}` can name.
#pragma once

#include <functional>
#include <memory>

#include "components/base/config_value.h"
#include "components/base/random.h"
#include "components/base/registry.h"
#include "components/transport/transport.h"

namespace mobula {
class RealEventLoop;
}  // namespace mobula

namespace mobula::transport {

struct TransportDeps;

/// Builds a transport from its map. Errors: kInvalidArgument naming the key.
using TransportMaker = std::function<Result<std::unique_ptr<Transport>>(const ConfigValue& config,
                                                                        const TransportDeps& deps)>;

/// What makers are given. `loop` outlives what they make.
struct TransportDeps {
  RealEventLoop& loop;
  Random random;
  const Registry<TransportMaker>& kinds;  ///< For decorators, to make what they wrap.
};

/// Adds the built-in kinds: tcp, unix, shared_memory, inprocess and faulty.
void RegisterTransports(Registry<TransportMaker>& kinds);

/// \return the transport that `config` describes: a map with `kind`, and for decorators `inner`.
[[nodiscard]] Result<std::unique_ptr<Transport>> MakeTransport(const ConfigValue& config,
                                                               const TransportDeps& deps);

}  // namespace mobula::transport
