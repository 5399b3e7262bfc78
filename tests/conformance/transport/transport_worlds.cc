#include "tests/conformance/transport/transport_worlds.h"

#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "components/base/real/event_loop.h"
#include "components/base/simulated/event_loop.h"
#include "components/transport/handshake.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "components/transport/tcp/tcp_transport.h"
#include "components/transport/unix/unix_transport.h"

namespace mobula::conformance {
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

class TcpWorld final : public RealWorld {
 public:
  TcpWorld() { transport_ = MakeTcpTransport(loop_); }
  std::string ListenAt() override { return "tcp://127.0.0.1:0"; }
  std::string Nowhere() override { return "tcp://127.0.0.1:1"; }
};

class UnixWorld final : public RealWorld {
 public:
  UnixWorld() {
    std::string pattern = "/tmp/mobula-test-" + std::string(6, 'X');
    folder_ = ::mkdtemp(pattern.data());
    transport_ = MakeUnixTransport(loop_);
  }
  ~UnixWorld() override { ::rmdir(folder_.c_str()); }
  std::string ListenAt() override { return "unix://" + folder_ + "/s"; }
  std::string Nowhere() override { return "unix://" + folder_ + "/nobody"; }

 private:
  std::string folder_;
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

class InprocessWorld final : public VirtualWorld {
 public:
  InprocessWorld() { transport_ = MakeInprocessTransport(loop_); }
  std::string ListenAt() override { return "inproc://server"; }
  std::string Nowhere() override { return "inproc://nobody"; }
};

/// Any world, seen through the handshake.
class AuthenticatedWorld final : public World {
 public:
  explicit AuthenticatedWorld(std::unique_ptr<World> inner) : inner_(std::move(inner)) {
    auto config = std::make_shared<HandshakeConfig>();
    config->self.role = "tool";
    config->token = Token("secret");
    transport_ = MakeAuthenticatedTransport(inner_->transport(), inner_->loop(), Random(1), config);
  }
  EventLoop& loop() override { return inner_->loop(); }
  Transport& transport() override { return *transport_; }
  std::string ListenAt() override { return inner_->ListenAt(); }
  std::string Nowhere() override { return inner_->Nowhere(); }
  bool RunUntil(const std::function<bool()>& condition) override {
    return inner_->RunUntil(condition);
  }
  void RunReady() override { inner_->RunReady(); }

 private:
  std::unique_ptr<World> inner_;
  std::unique_ptr<Transport> transport_;
};

}  // namespace

std::vector<Kind> AllKinds() {
  return {
      {.name = "Tcp", .make = [] { return std::make_unique<TcpWorld>(); }, .is_stream = true},
      {.name = "Unix",
       .make = [] { return std::make_unique<UnixWorld>(); },
       .is_stream = true,
       .passes_descriptors = true},
      {.name = "Inprocess",
       .make = [] { return std::make_unique<InprocessWorld>(); },
       .passes_descriptors = true},
      {.name = "AuthenticatedTcp",
       .make = [] { return std::make_unique<AuthenticatedWorld>(std::make_unique<TcpWorld>()); }},
      {.name = "AuthenticatedInprocess",
       .make =
           [] { return std::make_unique<AuthenticatedWorld>(std::make_unique<InprocessWorld>()); },
       .passes_descriptors = true},
  };
}

}  // namespace mobula::conformance
