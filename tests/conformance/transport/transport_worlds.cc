#include "tests/conformance/transport/transport_worlds.h"

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "components/base/real/event_loop.h"
#include "components/base/simulated/event_loop.h"
#include "components/transport/faulty/faulty_transport.h"
#include "components/transport/handshake.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "components/transport/shared_memory/shared_memory_transport.h"
#include "components/transport/simulated/simulated_network.h"
#include "components/transport/tcp/tcp_transport.h"
#include "components/transport/unix/unix_transport.h"

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

class TcpWorld : public RealWorld {
 public:
  TcpWorld() { transport_ = MakeTcpTransport(loop_); }
  std::string ListenAt() override { return "tcp://127.0.0.1:0"; }
  std::string Nowhere() override { return "tcp://127.0.0.1:1"; }
};

class FileWorld : public RealWorld {
 public:
  explicit FileWorld(std::string scheme) : scheme_(std::move(scheme)) {
    std::string pattern = "/tmp/mobula-test-" + std::string(6, 'X');
    folder_ = ::mkdtemp(pattern.data());
  }
  ~FileWorld() override { ::rmdir(folder_.c_str()); }
  std::string ListenAt() override { return scheme_ + folder_ + "/s"; }
  std::string Nowhere() override { return scheme_ + folder_ + "/nobody"; }

 private:
  std::string scheme_;
  std::string folder_;
};

class UnixWorld final : public FileWorld {
 public:
  UnixWorld() : FileWorld("unix://") { transport_ = MakeUnixTransport(loop_); }
};

class SharedMemoryWorld : public FileWorld {
 public:
  SharedMemoryWorld() : FileWorld("shm+unix://") { transport_ = MakeSharedMemoryTransport(loop_); }
};

/// The same, looked at by a thread that waits instead of rung for.
class PolledWorld final : public SharedMemoryWorld {
 public:
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

/// A faulty decorator that does nothing, or only delays.
template <typename Inner>
class FaultyWorld final : public Inner {
 public:
  explicit FaultyWorld(Duration delay) {
    auto plan = std::make_shared<FaultPlan>();
    if (delay.count() > 0) {
      for (const auto direction : {FaultRule::Direction::kSend, FaultRule::Direction::kReceive}) {
        plan->rules.push_back({.direction = direction,
                               .effect = FaultRule::Effect::kDelay,
                               .probability = 0.5,
                               .delay = delay});
      }
    }
    this->transport_ =
        MakeFaultyTransport(std::move(this->transport_), this->loop_, Random(1), plan);
  }
  void RunReady() override {
    const TimePoint end = this->loop_.Now() + std::chrono::milliseconds(20);
    this->RunUntil([&] { return this->loop_.Now() > end; });
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

template <typename W, typename... Args>
Kind Make(std::string name, Args... args) {
  Kind kind;
  kind.name = std::move(name);
  kind.make = [=] { return std::make_unique<W>(args...); };
  return kind;
}

template <typename W>
Kind MakeAuthenticated(std::string name) {
  Kind kind;
  kind.name = std::move(name);
  kind.make = [] { return std::make_unique<AuthenticatedWorld>(std::make_unique<W>()); };
  return kind;
}

}  // namespace

std::vector<Kind> AllKinds() {
  std::vector<Kind> kinds;
  kinds.push_back(Make<TcpWorld>("Tcp"));
  kinds.push_back(Make<UnixWorld>("Unix"));
  kinds.back().passes_descriptors = true;
  kinds.push_back(Make<SharedMemoryWorld>("SharedMemory"));
  kinds.back().passes_descriptors = true;
  kinds.push_back(Make<PolledWorld>("PolledSharedMemory"));
  kinds.back().passes_descriptors = true;
  kinds.push_back(Make<InprocessWorld>("Inprocess"));
  kinds.back().passes_descriptors = true;
  kinds.push_back(Make<SimulatedWorld>("Simulated"));
  kinds.push_back(MakeAuthenticated<TcpWorld>("AuthenticatedTcp"));
  kinds.push_back(MakeAuthenticated<UnixWorld>("AuthenticatedUnix"));
  kinds.back().passes_descriptors = true;
  kinds.push_back(MakeAuthenticated<SharedMemoryWorld>("AuthenticatedSharedMemory"));
  kinds.back().passes_descriptors = true;
  kinds.push_back(MakeAuthenticated<InprocessWorld>("AuthenticatedInprocess"));
  kinds.push_back(MakeAuthenticated<SimulatedWorld>("AuthenticatedSimulated"));
  kinds.push_back(Make<FaultyWorld<TcpWorld>>("FaultlessTcp", Duration(0)));
  kinds.push_back(Make<FaultyWorld<InprocessWorld>>("FaultlessInprocess", Duration(0)));
  kinds.push_back(
      Make<FaultyWorld<InprocessWorld>>("LateInprocess", Duration(std::chrono::milliseconds(3))));
  kinds.back().passes_descriptors = true;
  return kinds;
}

}  // namespace mobula::transport::conformance
