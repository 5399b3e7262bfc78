/// \file
/// \edge
/// \brief Connections of an owner to the raylets it leases workers from.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "components/base/ids.h"
#include "components/base/lifetime.h"
#include "components/transport/rpc/client_pool.h"

namespace mobula::core_worker {

/// Threads: the state lock. Lifetime: the clients outlive it.
class RayletClients {
 public:
  /// \param home of this node; without it this process ends.
  /// \param on_connected another raylet is connected, perhaps after its connection was lost.
  RayletClients(rpc::Client& home, rpc::ClientPool& peers,
                std::function<void(rpc::Peer&)> on_connected)
      : home_(home), peers_(peers), on_connected_(std::move(on_connected)) {}
  void SetHome(std::string endpoint) { home_endpoint_ = std::move(endpoint); }
  [[nodiscard]] const std::string& home_endpoint() const { return home_endpoint_; }

  [[nodiscard]] rpc::Client& At(const std::string& endpoint);
  /// The raylet may lend the lease's worker to others.
  void ReturnLease(const std::string& endpoint, const LeaseId& lease);
  void Stop() { alive_.End(); }

 private:
  rpc::Client& home_;
  rpc::ClientPool& peers_;
  std::function<void(rpc::Peer&)> on_connected_;
  std::string home_endpoint_;
  std::map<std::string, std::weak_ptr<rpc::Client>> known_;  // those that call `on_connected_`
  Lifetime alive_;
};

}  // namespace mobula::core_worker
