#include "components/transport/rpc/client_pool.h"

namespace mobula::transport::rpc {
namespace {

/// Stands in where no transport speaks the endpoint's scheme: its callers learn of that as of any
/// other connection that cannot be made.
class RefusingTransport final : public Transport {
 public:
  explicit RefusingTransport(EventLoop& loop) : loop_(loop) {}
  Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint, OnAccept) override {
    return Refusal(endpoint);
  }
  void Connect(std::string_view endpoint, Duration, OnConnect done) override {
    loop_.Post([done = std::move(done), refusal = Refusal(endpoint)]() mutable {
      done(std::move(refusal));
    });
  }
  [[nodiscard]] std::string_view Scheme() const override { return ""; }
  [[nodiscard]] TransportAbilities Abilities() const override { return {}; }

 private:
  static std::unexpected<Error> Refusal(std::string_view endpoint) {
    return Fail(ErrorCode::kInvalidArgument, "no transport here speaks '{}'", endpoint);
  }
  EventLoop& loop_;
};

}  // namespace

ClientPool::ClientPool(EventLoop& loop, std::function<Transport*(std::string_view)> choose,
                       Random random, ClientOptions options, const ServiceTable* services)
    : loop_(loop),
      choose_(std::move(choose)),
      random_(random),
      options_(options),
      services_(services),
      refusing_(std::make_unique<RefusingTransport>(loop)) {}

std::shared_ptr<Client> ClientPool::Get(const std::string& endpoint) {
  std::shared_ptr<Client>& client = clients_[endpoint];
  // A client that has given up stays so. The next caller gets a fresh one, with its own attempts.
  if (client == nullptr || (client->IsGone() && !stopped_)) {
    Transport* transport = choose_(endpoint);
    client = std::make_shared<Client>(loop_, transport != nullptr ? *transport : *refusing_,
                                      endpoint, random_.Fork(endpoint), options_, services_);
    if (stopped_) client->Stop();
  }
  return client;
}

void ClientPool::Drop(const std::string& endpoint) {
  const auto it = clients_.find(endpoint);
  if (it == clients_.end()) return;
  const auto client = std::move(it->second);
  // Out of the pool before it stops: its callbacks may ask for the same endpoint again.
  clients_.erase(it);
  client->Stop();
}

void ClientPool::Stop() {
  stopped_ = true;
  // A client that stops fails its calls, and their callbacks may ask for further clients. So this
  // walks a copy.
  for (const auto& [endpoint, client] : std::map(clients_)) client->Stop();
}

}  // namespace mobula::transport::rpc
