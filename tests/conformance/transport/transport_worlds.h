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

struct Kind {
  std::string name;
  std::function<std::unique_ptr<World>()> make;
  bool passes_descriptors = false;
};

/// For test names and failures.
inline void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

/// \return every kind and decorator there is.
std::vector<Kind> AllKinds();

}  // namespace mobula::transport::conformance
