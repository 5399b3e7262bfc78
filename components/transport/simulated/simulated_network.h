/// \file
/// \brief `sim://process/name`: a network on virtual time, which loses, delays and parts at will.
///
/// Processes are named `group.name`, such as "n2.raylet"; a group is a host. Each process gets a
/// transport of its own on its own loop. Frames of one connection arrive in order, those of
/// different connections overtake each other by chance. A killed process is silent at once; its
/// peers notice a little later. Between parted groups frames wait, as TCP would send again, until
/// `Heal`.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/random.h"
#include "components/transport/transport.h"

namespace mobula::transport {

/// How the network behaves.
struct SimulatedNetworkConfig {
  Duration latency_min = std::chrono::microseconds(50);      ///< One way.
  Duration latency_mean = std::chrono::microseconds(200);    ///< Above the minimum, exponential.
  Duration death_notice_max = std::chrono::milliseconds(5);  ///< Until peers of the dead notice.
};

/// Threads: one. Lifetime: outlives the transports it made; `loop` outlives it.
class SimulatedNetwork {
 public:
  /// \param loop the simulation's own, never a process's: the network outlives processes.
  SimulatedNetwork(EventLoop& loop, Random random, SimulatedNetworkConfig config);
  ~SimulatedNetwork();

  /// \return the transport of one process, whose handlers run on `loop`. One a process.
  [[nodiscard]] std::unique_ptr<Transport> TransportFor(const std::string& process,
                                                        EventLoop& loop);

  /// Silences a process: nothing of it arrives any more, its listeners are gone, its peers hear
  /// kUnavailable within `death_notice_max`. Its loop should be killed at the same moment.
  void Kill(const std::string& process);
  /// Breaks all connections between two processes; both notice.
  void Disconnect(const std::string& a, const std::string& b);
  /// Holds back what `from` sends to `to`, both groups. Call twice for both ways.
  void Part(const std::string& from, const std::string& to);
  /// Ends all partings; what was held back arrives.
  void Heal();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // owners: this, its transports and wires
};

}  // namespace mobula::transport
