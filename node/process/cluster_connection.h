/// \file
/// \brief A blocking look at a cluster from outside its nodes: for `Init`, `status` and other
/// tools.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "components/base/event_loop.h"
#include "components/protocol/gcs.pb.h"
#include "components/transport/handshake.h"

namespace mobula::node {

/// Threads: one. Lifetime: closes when destroyed.
class ClusterConnection {
 public:
  /// \param address "host:port" of the head. \param role who asks: "driver", "tool".
  ClusterConnection(const std::string& address, transport::Token token, std::string role);
  ~ClusterConnection();

  /// Each ends within `kAnswerMax`. kUnavailable with the address, kPermissionDenied,
  /// kVersionMismatch.
  [[nodiscard]] Result<std::vector<protocol::NodeInfo>> Nodes();
  [[nodiscard]] Result<std::vector<protocol::JobInfo>> Jobs();

  static constexpr Duration kAnswerMax = std::chrono::seconds(10);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

/// \return the live node that runs on this host: its address is one of ours, its socket is there.
///         kNotFound with what to do otherwise.
[[nodiscard]] Result<protocol::NodeInfo> FindLocalNode(const std::vector<protocol::NodeInfo>& nodes,
                                                       const std::string& head_address);
/// \return "10.0.0.5" of "tcp://10.0.0.5:6379".
[[nodiscard]] std::string HostOf(std::string_view endpoint);

}  // namespace mobula::node
