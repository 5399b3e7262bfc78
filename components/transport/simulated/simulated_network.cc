#include "components/transport/simulated/simulated_network.h"

#include <array>
#include <cmath>
#include <deque>

#include "components/base/check.h"
#include "components/base/lifetime.h"
#include "components/transport/pipe/pipe.h"

namespace mobula::transport {
namespace {

std::string GroupOf(const std::string& process) { return process.substr(0, process.find('.')); }

}  // namespace

class SimulatedNetwork::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(EventLoop& loop, Random random, SimulatedNetworkConfig config)
      : loop_(loop), random_(random), config_(config) {}

  class SimulatedWire;
  class SimulatedTransport;

  /// A process as its connections know it. Its loop is touched only while its transport lives.
  struct Member {
    std::string process;
    EventLoop* loop;
    std::weak_ptr<char> alive;
  };
  struct Listening {
    Member member;
    std::shared_ptr<Transport::OnAccept> on_accept;  // owners: the listener, a call under way
  };
  /// One connection, as the network sees it.
  struct Line {
    std::string client, server;
    std::weak_ptr<SimulatedWire> wire;
    std::function<void(PipeEnd, const Error&)> sever;
  };

  Duration Latency() {
    const auto mean = static_cast<double>(config_.latency_mean.count());
    // The waiting times are exponential: most frames come soon, and a few come very late. The
    // longest is bounded, so that a timeout can be longer than any of them.
    const double extra = -std::log(1.0 - random_.Unit()) * mean;
    return config_.latency_min + Duration(static_cast<Duration::rep>(std::min(extra, 50 * mean)));
  }
  [[nodiscard]] bool IsParted(const std::string& from, const std::string& to) const {
    return parted_.contains({GroupOf(from), GroupOf(to)});
  }
  /// True while something may arrive there.
  [[nodiscard]] bool Lives(const Member& member) const {
    return !member.alive.expired() && !dead_.contains(member.process);
  }
  void Connect(Member client, std::string endpoint, Duration timeout, Transport::OnConnect done);
  void Accept(Member client, const std::string& endpoint, Transport::OnConnect done);
  void Sever(Line& line, PipeEnd end, Duration delay, std::string why);
  void Forget() {
    std::erase_if(lines_, [](const auto& entry) { return entry.second.wire.expired(); });
  }

  EventLoop& loop_;
  Random random_;
  SimulatedNetworkConfig config_;
  std::map<std::string, Listening> listening_;  // by endpoint
  std::map<std::uint64_t, Line> lines_;
  std::uint64_t last_line_ = 0;
  std::set<std::string> dead_;
  std::set<std::pair<std::string, std::string>> parted_;
  std::vector<std::weak_ptr<SimulatedWire>> held_;  // wires that hold something back, in order
};

/// Carries the frames of one connection.
class SimulatedNetwork::Impl::SimulatedWire final
    : public Wire,
      public std::enable_shared_from_this<SimulatedWire> {
 public:
  struct Side {
    Member member;
    TimePoint last_arrival{};                   // at this side
    std::deque<EventLoop::Callback> held_back;  // for this side
  };
  SimulatedWire(std::shared_ptr<Impl> network, Side client, Side server)
      : network_(std::move(network)), sides_{std::move(client), std::move(server)} {}

  void Leave(PipeEnd /*end*/) override {}  // a member's loop is asked for when something arrives
  void Carry(PipeEnd from, EventLoop::Callback arrive) override {
    const auto sender = static_cast<std::size_t>(from);
    const std::size_t receiver = 1 - sender;
    // A dead process sends nothing, though its objects may still be about to be destroyed.
    if (network_->dead_.contains(sides_[sender].member.process)) return;
    Side& side = sides_[receiver];
    const TimePoint now = network_->loop_.Now();
    // Latency differs from frame to frame, but none overtakes another of the same connection.
    side.last_arrival = std::max(now + network_->Latency(), side.last_arrival + Duration(1));
    network_->loop_.Schedule(side.last_arrival - now, [self = shared_from_this(), receiver,
                                                       arrive = std::move(arrive)]() mutable {
      self->Arrive(receiver, std::move(arrive));
    });
  }

  void Release() {
    for (Side& side : sides_) {
      // All at once and in order: these frames have had their latency long ago.
      for (auto& arrive : std::exchange(side.held_back, {})) Deliver(side, std::move(arrive));
    }
  }

 private:
  void Arrive(std::size_t receiver, EventLoop::Callback arrive) {
    Side& side = sides_[receiver];
    const std::string& sender = sides_[1 - receiver].member.process;
    // A partition does not lose what TCP would send again: it arrives when the network heals.
    if (!side.held_back.empty() || network_->IsParted(sender, side.member.process)) {
      side.held_back.push_back(std::move(arrive));
      network_->held_.push_back(weak_from_this());
      return;
    }
    Deliver(side, std::move(arrive));
  }
  void Deliver(Side& side, EventLoop::Callback arrive) {
    // A process may have died while this was under way; what it would have read is lost with it.
    if (network_->Lives(side.member)) side.member.loop->Post(std::move(arrive));
  }

  std::shared_ptr<Impl> network_;  // owners: the network and its wires
  std::array<Side, 2> sides_;
};

/// The transport of one process.
class SimulatedNetwork::Impl::SimulatedTransport final : public Transport {
 public:
  SimulatedTransport(std::shared_ptr<Impl> network, std::string process, EventLoop& loop)
      : network_(std::move(network)), process_(std::move(process)), loop_(loop) {}

  Result<std::unique_ptr<Listener>> Listen(std::string_view endpoint, OnAccept on_accept) override {
    const std::string name(endpoint);
    if (!name.starts_with("sim://" + process_ + "/")) {
      return Fail(ErrorCode::kInvalidArgument, "{} cannot listen at {}; it listens at sim://{}/…",
                  process_, name, process_);
    }
    auto listener = std::make_unique<SimulatedListener>(network_, name, std::move(on_accept));
    const Listening entry{Self(), listener->on_accept};
    // The name is another's. The listener that we made must not take it away when it is destroyed.
    if (!network_->listening_.emplace(name, entry).second) {
      listener->endpoint.clear();
      return Fail(ErrorCode::kAlreadyExists, "{} is in use", name);
    }
    return listener;
  }
  void Connect(std::string_view endpoint, Duration timeout, OnConnect done) override {
    // An answer that comes after this transport has gone is dropped.
    network_->Connect(Self(), std::string(endpoint), timeout, lifetime_.Bind(std::move(done)));
  }
  [[nodiscard]] std::string_view Scheme() const override { return "sim"; }
  [[nodiscard]] TransportAbilities Abilities() const override {
    return {TransportAbilities::Reach::kOtherHosts, false};
  }

 private:
  struct SimulatedListener final : Listener {
    SimulatedListener(std::shared_ptr<Impl> the_network, std::string the_endpoint, OnAccept accept)
        : network(std::move(the_network)),
          endpoint(std::move(the_endpoint)),
          on_accept(std::make_shared<OnAccept>(std::move(accept))) {}
    ~SimulatedListener() override { network->listening_.erase(endpoint); }
    [[nodiscard]] std::string Endpoint() const override { return endpoint; }
    std::shared_ptr<Impl> network;
    std::string endpoint;
    std::shared_ptr<OnAccept> on_accept;  // owners: this, the network, a call under way
  };

  [[nodiscard]] Member Self() const { return {process_, &loop_, alive_}; }

  std::shared_ptr<Impl> network_;
  std::string process_;
  EventLoop& loop_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // a token; the network holds it weakly
  Lifetime lifetime_;
};

void SimulatedNetwork::Impl::Connect(Member client, std::string endpoint, Duration timeout,
                                     Transport::OnConnect done) {
  constexpr std::string_view kScheme = "sim://";
  // A mistake in an endpoint is found at once, and reported later as every failure is.
  if (!endpoint.starts_with(kScheme)) {
    return client.loop->Post([endpoint, done = std::move(done)]() mutable {
      done(Fail(ErrorCode::kInvalidArgument,
                "'{}' is no simulated endpoint; write one such as sim://n1.gcs/rpc", endpoint));
    });
  }
  const std::string target =
      endpoint.substr(kScheme.size(), endpoint.find('/', kScheme.size()) - kScheme.size());
  // A partition swallows the attempt: neither side hears of it, and the client waits in vain. One
  // direction is enough, as a connection needs an answer.
  if (IsParted(client.process, target) || IsParted(target, client.process)) {
    client.loop->Schedule(timeout, [endpoint, done = std::move(done)]() mutable {
      done(Fail(ErrorCode::kDeadlineExceeded, "{} did not answer", endpoint));
    });
    return;
  }
  loop_.Schedule(Latency(), [self = shared_from_this(), client = std::move(client), endpoint,
                             done = std::move(done)]() mutable {
    if (self->Lives(client)) self->Accept(std::move(client), endpoint, std::move(done));
  });
}

void SimulatedNetwork::Impl::Accept(Member client, const std::string& endpoint,
                                    Transport::OnConnect done) {
  // A host whose process is dead answers for it, at once.
  const auto it = listening_.find(endpoint);
  if (it == listening_.end() || !Lives(it->second.member)) {
    return client.loop->Post([endpoint, done = std::move(done)]() mutable {
      done(Fail(ErrorCode::kUnavailable, "nothing listens at {}", endpoint));
    });
  }
  // Both processes live: there is a connection, whatever happens to either of them next.
  const Member server = it->second.member;
  auto wire = std::make_shared<SimulatedWire>(
      shared_from_this(), SimulatedWire::Side{client, {}, {}}, SimulatedWire::Side{server, {}, {}});
  Pipe pipe = MakePipe({client.loop, endpoint}, {server.loop, "sim://" + client.process}, wire);
  Forget();
  lines_.emplace(++last_line_, Line{client.process, server.process, wire, std::move(pipe.sever)});
  // The client may learn of the connection before the server does, as with a real backlog.
  server.loop->Post(
      [self = shared_from_this(), endpoint, connection = std::move(pipe.server)]() mutable {
        const auto still = self->listening_.find(endpoint);
        // The listener went while the connection was on its way: the server's end is destroyed
        // unused.
        if (still == self->listening_.end()) return;
        const auto on_accept = still->second.on_accept;
        (*on_accept)(std::move(connection));
      });
  client.loop->Post([done = std::move(done), connection = std::move(pipe.client)]() mutable {
    done(std::move(connection));
  });
}

void SimulatedNetwork::Impl::Sever(Line& line, PipeEnd end, Duration delay, std::string why) {
  loop_.Schedule(delay, [sever = line.sever, end, why = std::move(why)] {
    sever(end, Error(ErrorCode::kUnavailable, why));
  });
}

SimulatedNetwork::SimulatedNetwork(EventLoop& loop, Random random, SimulatedNetworkConfig config)
    : impl_(std::make_shared<Impl>(loop, random, config)) {}
SimulatedNetwork::~SimulatedNetwork() = default;

std::unique_ptr<Transport> SimulatedNetwork::TransportFor(const std::string& process,
                                                          EventLoop& loop) {
  Check(!impl_->dead_.contains(process), "a simulated process lives once");
  return std::make_unique<Impl::SimulatedTransport>(impl_, process, loop);
}

void SimulatedNetwork::Kill(const std::string& process) {
  // Dead for good: a process that starts again has a new name, as it would have a new process id.
  impl_->dead_.insert(process);
  impl_->Forget();
  std::erase_if(impl_->listening_,
                [&](const auto& entry) { return entry.second.member.process == process; });
  for (auto& [id, line] : impl_->lines_) {
    if (line.client != process && line.server != process) continue;
    // What it had sent is under way and arrives. Its kernel then closes the connection, and the
    // survivor learns of that a little later.
    const PipeEnd survivor = line.client == process ? PipeEnd::kServer : PipeEnd::kClient;
    const double late =
        impl_->random_.Unit() * static_cast<double>(impl_->config_.death_notice_max.count());
    impl_->Sever(line, survivor, Duration(static_cast<Duration::rep>(late)),
                 fmt::format("sim://{}: connection closed by peer", process));
  }
}

void SimulatedNetwork::Disconnect(const std::string& a, const std::string& b) {
  for (auto& [id, line] : impl_->lines_) {
    const bool is_between =
        (line.client == a && line.server == b) || (line.client == b && line.server == a);
    if (!is_between) continue;
    for (const PipeEnd end : {PipeEnd::kClient, PipeEnd::kServer}) {
      impl_->Sever(line, end, impl_->Latency(), "connection reset");
    }
  }
}

void SimulatedNetwork::Part(const std::string& from, const std::string& to) {
  impl_->parted_.insert({from, to});
}

void SimulatedNetwork::Heal() {
  // Frames that were held back while the network was parted arrive now, as TCP would send them
  // again.
  impl_->parted_.clear();
  for (const auto& held : std::exchange(impl_->held_, {})) {
    if (const auto wire = held.lock()) wire->Release();
  }
}

}  // namespace mobula::transport
