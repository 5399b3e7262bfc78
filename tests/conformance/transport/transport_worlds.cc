#include "tests/conformance/transport/transport_worlds.h"

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "components/base/real/event_loop.h"
#include "components/base/simulated/event_loop.h"
#include "components/transport/faulty/faulty_transport.h"
#include "components/transport/handshake.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "components/transport/registration.h"
#include "components/transport/simulated/simulated_network.h"

namespace mobula::transport::conformance {
namespace {

constexpr auto kWatchdog = std::chrono::seconds(60);

/// Real sockets of this machine.
class RealWorld : public World {
 public:
  EventLoop& loop() override { return loop_; }
  Transport& transport() override { return *transport_; }
  bool RunUntil(const std::function<bool()>& condition) override {
    const auto end = std::chrono::steady_clock::now() + kWatchdog;
    while (!condition()) {
      if (loop_.PollOnce() == 0) std::this_thread::yield();
      if (std::chrono::steady_clock::now() > end) return false;
    }
    return true;
  }
  void RunReady() override {
    while (loop_.PollOnce() > 0) {
    }
  }

 protected:
  RealEventLoop loop_;
  std::unique_ptr<Transport> transport_;
};

/// A kind as YAML would make it, without keys of its own.
class RegisteredWorld : public RealWorld {
 public:
  explicit RegisteredWorld(const std::string& kind) {
    const Kinds<Transport> kinds = BuiltInTransports();
    ConfigValue::Map config;
    config.emplace("kind", ConfigValue(kind));
    auto made = kinds.Make(ConfigValue(std::move(config)), "transport", kind,
                           {.loop = loop_,
                            .real_loop = loop_,
                            .random = Random(1),
                            .kinds = kinds,
                            .usual_kind = "tcp"});
    if (!made) throw std::runtime_error(made.error().ToString());
    transport_ = std::move(*made);
    std::string pattern = "/tmp/mobula-test-" + std::string(6, 'X');
    folder_ = ::mkdtemp(pattern.data());
  }
  ~RegisteredWorld() override { ::rmdir(folder_.c_str()); }
  std::string ListenAt() override { return At("0", "s"); }
  std::string Nowhere() override { return At("1", "nobody"); }

 private:
  /// transport.h promises one of two shapes of endpoints.
  [[nodiscard]] std::string At(const std::string& port, const std::string& file) const {
    const bool is_remote = transport_->Abilities().reach == TransportAbilities::Reach::kOtherHosts;
    return std::string(transport_->Scheme()) + "://" +
           (is_remote ? "127.0.0.1:" + port : folder_ + "/" + file);
  }
  std::string folder_;
};

/// Rings that are looked at by a thread that waits, instead of rung for.
class PolledWorld final : public RegisteredWorld {
 public:
  PolledWorld() : RegisteredWorld("shared_memory") {}
  bool RunUntil(const std::function<bool()>& condition) override {
    const auto end = std::chrono::steady_clock::now() + kWatchdog;
    std::unique_lock lock(loop_.StateLock());
    WaitPoint never;
    bool is_over = false;
    while (!is_over) {
      // A look at the rings, then a turn of the loop: it accepts, connects and hears of ends.
      int asked = 0;
      loop_.Await(lock, never, [&] {
        is_over = condition() || std::chrono::steady_clock::now() > end;
        return is_over || ++asked >= 2;
      });
      lock.unlock();
      loop_.PollOnce();
      lock.lock();
    }
    return condition();
  }
};

/// Virtual time.
class VirtualWorld : public World {
 public:
  EventLoop& loop() override { return loop_; }
  Transport& transport() override { return *transport_; }
  bool RunUntil(const std::function<bool()>& condition) override {
    return loop_.RunUntil(condition, std::chrono::hours(1));
  }
  void RunReady() override { loop_.RunReady(); }

 protected:
  SimulatedEventLoop loop_{1};
  std::unique_ptr<Transport> transport_;
};

class InprocessWorld : public VirtualWorld {
 public:
  InprocessWorld() { transport_ = MakeInprocessTransport(loop_); }
  std::string ListenAt() override { return "inproc://server"; }
  std::string Nowhere() override { return "inproc://nobody"; }
};

/// Two processes on two hosts, with latency.
class SimulatedWorld final : public VirtualWorld {
 public:
  SimulatedWorld() {
    transport_ = network_.TransportFor("n1.server", loop_);
    client_ = network_.TransportFor("n2.client", loop_);
  }
  Transport& client() override { return *client_; }
  std::string ListenAt() override { return "sim://n1.server/rpc"; }
  std::string Nowhere() override { return "sim://n1.server/nobody"; }
  void RunReady() override { loop_.RunFor(std::chrono::seconds(1)); }

 private:
  SimulatedNetwork network_{loop_, Random(1), {}};
  std::unique_ptr<Transport> client_;
};

/// A faulty decorator that delays half of all frames.
class LateWorld final : public InprocessWorld {
 public:
  LateWorld() {
    auto plan = std::make_shared<FaultPlan>();
    for (const auto direction : {FaultRule::Direction::kSend, FaultRule::Direction::kReceive}) {
      plan->rules.push_back({.direction = direction,
                             .effect = FaultRule::Effect::kDelay,
                             .probability = 0.5,
                             .delay = std::chrono::milliseconds(3)});
    }
    transport_ = MakeFaultyTransport(std::move(transport_), loop_, Random(1), plan);
  }
  void RunReady() override {
    const TimePoint end = loop_.Now() + std::chrono::milliseconds(20);
    RunUntil([&] { return loop_.Now() > end; });
  }
};

/// Any world, seen through the handshake.
class AuthenticatedWorld final : public World {
 public:
  explicit AuthenticatedWorld(std::unique_ptr<World> inner) : inner_(std::move(inner)) {
    auto config = std::make_shared<HandshakeConfig>();
    config->self.role = "tool";
    config->token = Token("secret");
    const auto wrap = [&](Transport& transport, std::uint64_t seed) {
      return MakeAuthenticatedTransport(transport, inner_->loop(), Random(seed), config);
    };
    server_ = wrap(inner_->transport(), 1);
    client_ = wrap(inner_->client(), 2);
  }
  EventLoop& loop() override { return inner_->loop(); }
  Transport& transport() override { return *server_; }
  Transport& client() override { return *client_; }
  std::string ListenAt() override { return inner_->ListenAt(); }
  std::string Nowhere() override { return inner_->Nowhere(); }
  bool RunUntil(const std::function<bool()>& condition) override {
    return inner_->RunUntil(condition);
  }
  void RunReady() override { inner_->RunReady(); }

 private:
  std::unique_ptr<World> inner_;
  std::unique_ptr<Transport> server_;
  std::unique_ptr<Transport> client_;
};

template <typename W>
void Add(std::vector<NamedWorld>& worlds, const std::string& name, auto... args) {
  worlds.push_back({name, [=] { return std::make_unique<W>(args...); }});
  worlds.push_back({"authenticated_" + name, [=] {
                      return std::make_unique<AuthenticatedWorld>(std::make_unique<W>(args...));
                    }});
}

}  // namespace

std::vector<NamedWorld> AllWorlds() {
  std::vector<NamedWorld> worlds;
  for (const std::string& kind : BuiltInTransports().Names()) {
    Add<RegisteredWorld>(worlds, kind, kind);
  }
  Add<PolledWorld>(worlds, "polled_shared_memory");
  Add<InprocessWorld>(worlds, "inprocess_on_virtual_time");
  Add<LateWorld>(worlds, "late_inprocess");
  Add<SimulatedWorld>(worlds, "simulated");
  return worlds;
}

}  // namespace mobula::transport::conformance
