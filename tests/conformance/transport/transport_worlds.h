/// \file
/// \brief The kinds of transport that the conformance suite runs over, each with its loop.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "components/transport/transport.h"

namespace mobula::transport::conformance {

/// One kind, ready to use. The test's thread is the loop.
class World {
 public:
  virtual ~World() = default;
  virtual EventLoop& loop() = 0;
  virtual Transport& transport() = 0;
  /// Who connects; a process of its own where that makes a difference.
  virtual Transport& client() { return transport(); }
  /// What to listen at, and an endpoint where nobody listens.
  virtual std::string ListenAt() = 0;
  virtual std::string Nowhere() = 0;
  /// Runs the loop until `condition` holds. \return false if it never did.
  virtual bool RunUntil(const std::function<bool()>& condition) = 0;
  /// Runs what is ready now.
  virtual void RunReady() = 0;
};

/// One parameter of the suite.
struct NamedWorld {
  std::string name;
  std::function<std::unique_ptr<World>()> make;
};

/// For test names and failures.
inline void PrintTo(const NamedWorld& world, std::ostream* out) { *out << world.name; }

/// \return a world of each kind in registration.cc, plain and behind the handshake, and of what
///         YAML cannot name: polled rings, pipes on virtual time, the simulated network, delays.
std::vector<NamedWorld> AllWorlds();

}  // namespace mobula::transport::conformance
