#include "components/core_worker/owner/raylet_clients.h"

#include "components/protocol/raylet_methods.h"

namespace mobula::core_worker {

rpc::Client& RayletClients::At(const std::string& endpoint) {
  if (endpoint == home_endpoint_) return home_;
  const auto client = peers_.Get(endpoint);
  // The pool replaces a client that gave up: each new one must tell us when it is connected.
  if (std::weak_ptr<rpc::Client>& known = known_[endpoint]; known.lock() != client) {
    known = client;
    client->OnConnected(alive_.Bind([this](rpc::Peer& raylet) { on_connected_(raylet); }));
  }
  return *client;
}

void RayletClients::ReturnLease(const std::string& endpoint, const LeaseId& lease) {
  protocol::ReturnLeaseRequest request;
  request.set_lease_id(std::string(lease.Binary()));
  // Nothing hangs on the answer: a raylet that does not hear this learns it from `KeepLeases`.
  At(endpoint).Call(protocol::kReturnLease, request, [](const Result<protocol::Ack>&) {});
}

}  // namespace mobula::core_worker
