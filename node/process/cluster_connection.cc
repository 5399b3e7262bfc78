// \edge: processes, files and sessions of the operating system
#include "node/process/cluster_connection.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <unistd.h>

#include <future>
#include <set>

#include "components/base/real/event_loop.h"
#include "components/gcs/client.h"
#include "components/protocol/gcs.pb.h"
#include "components/transport/transport.h"
#include "node/wiring.h"

namespace mobula::node {
namespace {

std::set<std::string> OwnAddresses() {
  std::set<std::string> addresses;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return addresses;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    char text[INET_ADDRSTRLEN];
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    if (::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text) != nullptr) {
      addresses.insert(text);
    }
  }
  ::freeifaddrs(list);
  return addresses;
}

}  // namespace

class ClusterConnection::Impl {
 public:
  Impl(std::string address, transport::Token token, std::string role)
      : random(Random::EntropySeed()), head(std::move(address)) {
    auto handshake = std::make_shared<transport::HandshakeConfig>();
    handshake->self.role = std::move(role);
    handshake->token = std::move(token);
    Result<Transports> made = MakeTransports(loop, TransportConfig(), random, std::move(handshake));
    transports = std::move(made.value());  // the defaults are always valid
    // Long enough for a head that is just being started, or restarts.
    rpc::ClientOptions options;
    options.reconnect_window = kAnswerMax;
    client.emplace(loop, *transports.For("tcp://"), "tcp://" + head, random.Fork("gcs"), options);
    loop.RunInThread();
  }
  ~Impl() {
    loop.Enter([this] { client->Stop(); });
    loop.Stop();
    loop.Join();
  }

  template <typename T, typename Call>
  Result<T> Ask(Call call) {
    // The caller is a user's thread and may wait; the answer comes on the loop. If we give up
    // first, the promise lives on in the callback.
    auto promise = std::make_shared<std::promise<Result<T>>>();  // owners: this call, the callback
    std::future<Result<T>> answer = promise->get_future();
    loop.Enter(
        [&] { call([promise](Result<T> result) { promise->set_value(std::move(result)); }); });
    if (answer.wait_for(kAnswerMax + std::chrono::seconds(1)) != std::future_status::ready) {
      return Fail(ErrorCode::kDeadlineExceeded, "the head at {} did not answer within {}", head,
                  FormatTime(kAnswerMax));
    }
    Result<T> result = answer.get();
    if (!result) return Fail(std::move(result.error()).Context("asking the head"));
    return result;
  }

  RealEventLoop loop;
  Random random;
  std::string head;
  Transports transports;
  std::optional<gcs::GcsClient> client;
};

ClusterConnection::ClusterConnection(const std::string& address, transport::Token token,
                                     std::string role)
    : impl_(std::make_unique<Impl>(address, std::move(token), std::move(role))) {}
ClusterConnection::~ClusterConnection() = default;

Result<std::vector<protocol::NodeInfo>> ClusterConnection::Nodes() {
  return impl_->Ask<std::vector<protocol::NodeInfo>>(
      [this](auto done) { impl_->client->ListNodes(std::move(done)); });
}

Result<std::vector<protocol::JobInfo>> ClusterConnection::Jobs() {
  return impl_->Ask<std::vector<protocol::JobInfo>>(
      [this](auto done) { impl_->client->ListJobs(std::move(done)); });
}

std::string HostOf(std::string_view endpoint) {
  if (const auto scheme = endpoint.find("://"); scheme != std::string_view::npos) {
    endpoint.remove_prefix(scheme + 3);
  }
  return std::string(endpoint.substr(0, endpoint.rfind(':')));
}

Result<protocol::NodeInfo> FindLocalNode(const std::vector<protocol::NodeInfo>& nodes,
                                         const std::string& head_address) {
  // A driver needs its node's memory and sockets, so it joins a node of its own machine: one with
  // an address of this machine, whose socket this user may open. Several may run here.
  const std::set<std::string> own = OwnAddresses();
  const protocol::NodeInfo* found = nullptr;
  for (const protocol::NodeInfo& node : nodes) {
    const Result<transport::Endpoint> local = transport::ParseEndpoint(node.local_endpoint());
    if (node.state() == protocol::ALIVE && own.contains(HostOf(node.endpoint())) && local &&
        (local->path.empty() || ::access(local->path.c_str(), R_OK | W_OK) == 0) &&
        (found == nullptr || node.is_head())) {
      found = &node;  // the head's before others': the same one every time
    }
  }
  if (found != nullptr) return *found;
  return Fail(ErrorCode::kNotFound,
              "no node of the cluster at {} runs on this host (it has {} nodes); start one here "
              "with: mobula start --address={}",
              head_address, nodes.size(), head_address);
}

}  // namespace mobula::node
