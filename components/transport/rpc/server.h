/// \file
/// \brief A `Server` accepts connections on some endpoints and serves one `ServiceTable` on them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "components/base/lifetime.h"
#include "components/transport/rpc/peer.h"

namespace mobula::transport::rpc {

/// Threads: the state lock. Lifetime: services and transports outlive it; destroying it closes all
/// connections. Bound: `connections_max`; one above it is closed at once and logged by the caller.
class Server {
 public:
  Server(EventLoop& loop, const ServiceTable& services, std::size_t connections_max = 20'000);
  ~Server();

  /// Accepts at one more endpoint. \return the endpoint others use, with the real port.
  [[nodiscard]] Result<std::string> Listen(Transport& transport, std::string_view endpoint);

  /// Runs for each peer that connects, and when it is lost (after its pending calls have failed).
  void OnPeer(std::function<void(Peer&)> opened, std::function<void(Peer&, const Error&)> closed) {
    opened_ = std::move(opened);
    closed_ = std::move(closed);
  }
  /// Closes one connection; `closed` does not run for it.
  void ClosePeer(Peer& peer);
  [[nodiscard]] std::size_t peer_count() const { return peers_.size(); }
  /// Refuses, closes everything. Twice is harmless.
  void Stop();

 private:
  void Accept(std::unique_ptr<Connection> connection);
  void Lost(std::uint64_t id, const Error& reason);

  EventLoop& loop_;
  const ServiceTable& services_;
  const std::size_t connections_max_;
  std::function<void(Peer&)> opened_;
  std::function<void(Peer&, const Error&)> closed_;
  std::map<std::uint64_t, std::unique_ptr<Peer>> peers_;  // by age
  std::uint64_t last_peer_ = 0;
  bool stopped_ = false;
  std::vector<std::unique_ptr<Listener>> listeners_;
  Lifetime alive_;
};

}  // namespace mobula::transport::rpc
