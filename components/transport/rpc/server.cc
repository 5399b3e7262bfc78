#include "components/transport/rpc/server.h"

#include <map>

namespace mobula::rpc {

class Server::Impl {
 public:
  Impl(EventLoop& loop, const ServiceTable& services, std::size_t connections_max)
      : loop_(loop), services_(services), connections_max_(connections_max) {}

  Result<std::string> Listen(Transport& transport, std::string_view endpoint) {
    if (stopped_) return Fail(ErrorCode::kCancelled, "the server was stopped");
    auto listener = transport.Listen(
        endpoint, alive_.Bind([this](std::unique_ptr<Connection> c) { Accept(std::move(c)); }));
    if (!listener) return Fail(std::move(listener.error()));
    listeners_.push_back(std::move(*listener));
    return listeners_.back()->Endpoint();
  }

  void Close(Peer& peer) {
    const auto it = Find(peer);
    if (it == peers_.end()) return;
    const auto closing = std::move(it->second);  // destroyed after the map is whole again
    peers_.erase(it);
    closing->Close();
  }

  void Stop() {
    stopped_ = true;
    listeners_.clear();
    for (auto& [id, peer] : std::exchange(peers_, {})) peer->Close();
  }

  std::function<void(Peer&)> opened_;
  std::function<void(Peer&, const Error&)> closed_;
  std::map<std::uint64_t, std::unique_ptr<Peer>> peers_;  // by age

 private:
  using Peers = std::map<std::uint64_t, std::unique_ptr<Peer>>;

  void Accept(std::unique_ptr<Connection> connection) {
    if (stopped_ || peers_.size() >= connections_max_) return;  // closes it
    const std::uint64_t id = ++last_peer_;
    auto made = std::make_unique<Peer>(loop_, std::move(connection), &services_);
    Peer& peer = *made;
    peers_.emplace_hint(peers_.end(), id, std::move(made));
    peer.OnClosed(alive_.Bind([this, id](const Error& reason) { OnClosed(id, reason); }));
    if (opened_) opened_(peer);
  }

  void OnClosed(std::uint64_t id, const Error& reason) {
    const auto it = peers_.find(id);
    if (it == peers_.end()) return;
    const auto lost = std::move(it->second);
    peers_.erase(it);
    if (closed_) closed_(*lost, reason);
  }

  Peers::iterator Find(const Peer& peer) {
    auto it = peers_.begin();
    while (it != peers_.end() && it->second.get() != &peer) ++it;
    return it;
  }

  EventLoop& loop_;
  const ServiceTable& services_;
  const std::size_t connections_max_;
  std::uint64_t last_peer_ = 0;
  bool stopped_ = false;
  std::vector<std::unique_ptr<Listener>> listeners_;
  Lifetime alive_;
};

Server::Server(EventLoop& loop, const ServiceTable& services, std::size_t connections_max)
    : impl_(std::make_unique<Impl>(loop, services, connections_max)) {}
Server::~Server() { Stop(); }

Result<std::string> Server::Listen(Transport& transport, std::string_view endpoint) {
  return impl_->Listen(transport, endpoint);
}
void Server::OnPeer(std::function<void(Peer&)> opened,
                    std::function<void(Peer&, const Error&)> closed) {
  impl_->opened_ = std::move(opened);
  impl_->closed_ = std::move(closed);
}
void Server::ClosePeer(Peer& peer) { impl_->Close(peer); }
std::size_t Server::peer_count() const { return impl_->peers_.size(); }
void Server::Stop() { impl_->Stop(); }

}  // namespace mobula::rpc
