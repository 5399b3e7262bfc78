/// \file
/// \brief Clients by endpoint: one connection to each process we talk to, made on demand.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "components/transport/rpc/client.h"

namespace mobula::transport::rpc {

/// Threads: the state lock. Lifetime: transports outlive it. A client that is gone for good is
/// replaced at the next `Get`.
class ClientPool {
 public:
  /// \param choose gives the transport for an endpoint by its scheme; null: unknown scheme.
  ClientPool(EventLoop& loop, std::function<Transport*(std::string_view endpoint)> choose,
             Random random, ClientOptions options, const ServiceTable* services = nullptr);

  /// \return the client of `endpoint`, shared with the pool: hold it while a call is wanted, not
  ///         longer. Never null: an endpoint of unknown scheme gives a client that fails its calls.
  [[nodiscard]] std::shared_ptr<Client> Get(const std::string& endpoint);
  /// Closes and forgets one endpoint.
  void Drop(const std::string& endpoint);
  /// Stops every client; calls through later ones fail too. Twice is harmless.
  void Stop();

 private:
  EventLoop& loop_;
  std::function<Transport*(std::string_view)> choose_;
  Random random_;
  ClientOptions options_;
  const ServiceTable* services_;
  std::unique_ptr<Transport> refusing_;  // for endpoints of unknown scheme
  bool stopped_ = false;
  std::map<std::string, std::shared_ptr<Client>> clients_;  // owners: the pool, callers briefly
};

}  // namespace mobula::transport::rpc
