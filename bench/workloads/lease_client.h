/// \file
/// \brief A driver that only takes leases and gives them back: all that is left is the raylet.
#pragma once

#include <memory>

#include "bench/nodes.h"

namespace bench {

/// Joins the head of `nodes` as a driver. Throws std::runtime_error if it is not let in.
class LeaseClient {
 public:
  explicit LeaseClient(const Nodes& nodes);
  ~LeaseClient();

  /// Asks for `count` leases, at most `kInFlight` unanswered at a time, and returns each when it is
  /// granted. \return the number of grants.
  int Grants(int count);

  static constexpr int kInFlight = 64;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bench
