/// \file
/// \edge
/// \brief Two connected `Connection`s in one process; shared by the inprocess and simulated kinds.
///
/// A pipe keeps every promise of transport.h without sockets: frames leave in batches at `Flush`,
/// travel over a `Wire` that decides when they arrive, and are put into place at the far end.
/// Each end belongs to the loop of its side, which may run in a thread of its own: what passes from
/// one to the other passes over the wire.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "components/transport/transport.h"

namespace mobula::transport {

/// Which end of a pipe: the one that connected, or the one that accepted.
enum class PipeEnd : std::uint8_t { kClient = 0, kServer = 1 };

/// Decides when what leaves one end arrives at the other.
class Wire {
 public:
  virtual ~Wire() = default;
  /// Runs `arrive` later on the loop of the end that is not `from`, after everything carried from
  /// there before; or never, if that side is dead.
  virtual void Carry(PipeEnd from, EventLoop::Callback arrive) = 0;
  /// This end was destroyed: nothing is carried to it any more, as its loop may go, too.
  virtual void Leave(PipeEnd end) = 0;
};

/// What makes one end.
struct PipeSide {
  EventLoop* loop;       ///< Where its handler runs. Outlives the connection.
  std::string describe;  ///< Its `Connection::Describe()`: names the far side.
};

/// The two ends of a new pipe, and the means to break it from outside.
struct Pipe {
  std::unique_ptr<Connection> client;
  std::unique_ptr<Connection> server;
  /// Ends one side with `reason` as if the network had; its handler hears of it, the other side
  /// does not. Harmless after the end. Call it from anywhere; it happens on that side's loop.
  std::function<void(PipeEnd end, const Error& reason)> sever;
};

/// \param wire owners: both ends and what is under way between them.
[[nodiscard]] Pipe MakePipe(PipeSide client, PipeSide server, std::shared_ptr<Wire> wire);

}  // namespace mobula::transport
