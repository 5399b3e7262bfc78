/// \file
/// \brief A GCS, nodes and clients on one virtual clock, for tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "components/base/simulated/event_loop.h"
#include "components/base/simulated/scoped_loop.h"
#include "components/gcs/client.h"
#include "components/gcs/memory/storage.h"
#include "components/gcs/server.h"
#include "components/protocol/gcs_convert.h"
#include "components/transport/inprocess/inprocess_transport.h"

namespace mobula::gcs {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline std::string NodeIdOf(char letter) { return std::string(NodeId::kSize, letter); }

/// A raylet as the GCS sees it: it registers and sends heartbeats; `loop` pauses or kills it.
struct TestNode {
  using TransportMaker = std::function<transport::Transport&(EventLoop&)>;

  TestNode(EventLoop& outer, transport::Transport& transport, char letter, std::uint64_t seed)
      : TestNode(
            outer, [&](EventLoop&) -> transport::Transport& { return transport; }, "inproc://gcs",
            letter, seed) {}
  TestNode(EventLoop& outer, const TransportMaker& transport, const std::string& gcs, char letter,
           std::uint64_t seed)
      : loop(outer),
        client(loop, transport(loop), gcs, Random(seed), {.reconnect_window = Duration(-1)}),
        timer(loop) {
    info.set_node_id(NodeIdOf(letter));
    info.set_endpoint(fmt::format("inproc://{}", letter));
    client.RegisterNode(
        info,
        [this](Result<protocol::RegisterNodeReply> reply) {
          registered = reply.has_value();
          if (reply) epoch = reply->epoch();
          Beat();
        },
        [this] { ++fenced; });
  }
  void Beat() {
    client.Heartbeat(std::exchange(dirty, false) ? &info : nullptr);
    timer.Set(seconds(1), [this] { Beat(); });
  }
  void SetWorkers(std::uint32_t count) {
    info.set_worker_count(count);
    dirty = true;
  }

  ScopedEventLoop loop;
  protocol::NodeInfo info;
  GcsClient client;
  Timer timer;
  bool registered = false;
  bool dirty = false;
  int fenced = 0;
  std::uint64_t epoch = 0;
};

struct GcsWorld {
  explicit GcsWorld(ServerConfig config = {}) : config(config) {}

  /// The GCS process; its storage stays when it goes.
  void StartServer(Storage* other_storage = nullptr) {
    Storage& used = other_storage != nullptr ? *other_storage : storage;
    server =
        std::make_unique<Server>(Server::Deps{loop, used, log, metrics, Random(++seed)}, config);
    server->OnFailed([this](const Error& error) { failure = error; });
    std::optional<Result<void>> started;
    server->Start([&started](Result<void> r) { started = std::move(r); });
    loop.RunUntil([&] { return started.has_value(); }, seconds(10));
    ASSERT_TRUE(started && *started) << started->error().ToString();
    const auto endpoint = server->Listen(*transport, "inproc://gcs");
    ASSERT_TRUE(endpoint) << endpoint.error().ToString();
  }
  void KillServer() { server.reset(); }

  std::unique_ptr<TestNode> AddNode(char letter) {
    auto node = std::make_unique<TestNode>(loop, *transport, letter, ++seed);
    loop.RunFor(milliseconds(10));
    return node;
  }
  std::unique_ptr<GcsClient> AddClient(Duration reconnect_window = Duration(-1)) {
    return std::make_unique<GcsClient>(loop, *transport, "inproc://gcs", Random(++seed),
                                       rpc::ClientOptions{.reconnect_window = reconnect_window});
  }

  /// Runs until the callback handed to `start` was called. \return its result.
  template <typename T, typename Start>
  Result<T> Await(Start start, Duration time_max = seconds(100)) {
    auto slot = std::make_shared<std::optional<Result<T>>>();
    start([slot](Result<T> r) { *slot = std::move(r); });
    loop.RunUntil([&slot] { return slot->has_value(); }, time_max);
    if (!*slot) return Fail(ErrorCode::kInternal, "no answer");
    return std::move(**slot);
  }
  /// \return the node as the GCS lists it.
  protocol::NodeInfo Look(GcsClient& client, char letter) {
    const auto nodes = Await<std::vector<protocol::NodeInfo>>([&](auto d) { client.ListNodes(d); });
    for (const protocol::NodeInfo& node : *nodes) {
      if (node.node_id() == NodeIdOf(letter)) return node;
    }
    return {};
  }

  ServerConfig config;
  std::uint64_t seed = 0;
  SimulatedEventLoop loop{1};
  std::unique_ptr<transport::Transport> transport = transport::MakeInprocessTransport(loop);
  MemoryStorage storage{loop};
  Metrics metrics;
  std::vector<std::string> lines;
  EventLog log{loop.clock(), "gcs", LogLevel::kInfo,
               [this](LogLevel, std::string_view line) { lines.emplace_back(line); }};
  std::optional<Error> failure;
  std::unique_ptr<Server> server;
};

/// Writes down what a subscriber hears: "a0 " node a with no workers, "a0! " dead, "j1R " job 1
/// running, "w:x " death of worker x.
struct Observer {
  explicit Observer(GcsWorld& world) : client(world.AddClient()) {
    Subscription subscription;
    subscription.on_node = [this](const protocol::NodeInfo& node) {
      received += fmt::format("{}{}{} ", node.node_id()[0], node.worker_count(),
                              protocol::IsAlive(node) ? "" : "!");
    };
    subscription.on_worker_death = [this](const protocol::WorkerDeath& death) {
      received += fmt::format("w:{} ", death.worker_id());
    };
    subscription.on_job = [this](const protocol::JobInfo& job) {
      received += fmt::format("j{}{} ", int{job.job_id()[3]}, job.state()[0]);
    };
    client->Subscribe(
        {protocol::NODES, protocol::WORKERS, protocol::JOBS}, std::move(subscription),
        [this](const Result<protocol::SubscribeReply>& r) { subscribed = r.has_value(); });
    world.loop.RunFor(milliseconds(10));
  }
  /// \return what was received since the last call.
  std::string Take() { return std::exchange(received, ""); }

  std::unique_ptr<GcsClient> client;
  std::string received;
  bool subscribed = false;
};

}  // namespace mobula::gcs
