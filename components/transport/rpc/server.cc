#include "components/transport/rpc/server.h"

#include <algorithm>

namespace mobula::transport::rpc {

Server::Server(EventLoop& loop, const ServiceTable& services, std::size_t connections_max)
    : loop_(loop), services_(services), connections_max_(connections_max) {}
Server::~Server() { Stop(); }

Result<std::string> Server::Listen(Transport& transport, std::string_view endpoint) {
  if (stopped_) return Fail(ErrorCode::kCancelled, "the server was stopped");
  auto listener = transport.Listen(
      endpoint, alive_.Bind([this](std::unique_ptr<Connection> c) { Accept(std::move(c)); }));
  if (!listener) return Fail(std::move(listener.error()));
  listeners_.push_back(std::move(*listener));
  return listeners_.back()->Endpoint();
}

void Server::Accept(std::unique_ptr<Connection> connection) {
  // A connection beyond the bound is closed without a word: its client tries again later.
  if (stopped_ || peers_.size() >= connections_max_) return;  // closes it
  const std::uint64_t id = ++last_peer_;
  auto made = std::make_unique<Peer>(loop_, std::move(connection), &services_);
  Peer& peer = *made;
  peers_.emplace_hint(peers_.end(), id, std::move(made));
  peer.OnClosed(alive_.Bind([this, id](const Error& reason) { Lost(id, reason); }));
  if (opened_) opened_(peer);
}

void Server::Lost(std::uint64_t id, const Error& reason) {
  // Taken out first: the callback may ask for the peers that are left, or stop the server. The lost
  // one lives until it returns.
  const auto lost = peers_.extract(id);
  if (!lost.empty() && closed_) closed_(*lost.mapped(), reason);
}

void Server::ClosePeer(Peer& peer) {
  // This side wants the peer gone. `closed_` is for ends that come from outside, so it is not told.
  const auto it =
      std::ranges::find_if(peers_, [&](const auto& entry) { return entry.second.get() == &peer; });
  if (it == peers_.end()) return;
  const auto closing = std::move(it->second);  // destroyed after the map is whole again
  peers_.erase(it);
  closing->Close();
}

void Server::Stop() {
  // No new peer comes from here on, and none is reported as lost: the owner of the server knows.
  stopped_ = true;
  listeners_.clear();
  for (auto& [id, peer] : std::exchange(peers_, {})) peer->Close();
}

}  // namespace mobula::transport::rpc
