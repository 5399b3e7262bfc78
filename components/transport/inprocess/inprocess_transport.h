/// \file
/// \brief `inproc://name`: connections inside one process, for embedded clusters and tests.
///
/// Both sides may be threads with an event loop each (`workers: {kind: thread}`). Names belong to
/// the process when the kind is chosen in YAML: as with a port of a machine, all who know the name
/// can connect. Tests give each transport names of its own.
#pragma once

#include <memory>

#include "components/transport/transport.h"

namespace mobula::transport {

/// The names that are listened at. Threads: any.
class InprocessNames;

/// \return the names that all event loops of this process share.
[[nodiscard]] std::shared_ptr<InprocessNames> NamesOfThisProcess();

/// \return a transport whose frames arrive in the next loop turn after their flush; one attachment
///         costs one copy. \param names those of `Listen` and `Connect`; null: this object's own.
[[nodiscard]] std::unique_ptr<Transport> MakeInprocessTransport(
    EventLoop& loop, std::shared_ptr<InprocessNames> names = nullptr);

[[nodiscard]] Kind<Transport>::Made MakeInprocess(ConfigReader& config,
                                                  const Transport::Context& context);
inline constexpr Kind<Transport> kInprocess{"inprocess", MakeInprocess};

}  // namespace mobula::transport
