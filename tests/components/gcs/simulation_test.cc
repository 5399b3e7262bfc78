// A GCS, raylets and subscribers on a simulated network that parts, cuts and kills by seed.

#include <set>

#include "components/protocol/gcs_convert.h"
#include "components/transport/simulated/simulated_network.h"
#include "tests/components/gcs/gcs_world.h"

namespace mobula::gcs {
namespace {

constexpr char kGcs[] = "sim://head.gcs/gcs";

/// Holds what a subscriber believes, and that nobody rises from the dead.
struct Believer {
  Believer(EventLoop& loop, transport::Transport& transport, std::uint64_t seed)
      : client(loop, transport, kGcs, Random(seed), {.reconnect_window = Duration(-1)}) {
    Subscription subscription;
    subscription.on_node = [this](const protocol::NodeInfo& node) {
      EXPECT_FALSE(dead.contains(node.node_id())) << node.node_id() << " was reported dead before";
      if (protocol::IsAlive(node)) {
        alive[node.node_id()] = node.worker_count();
      } else {
        alive.erase(node.node_id());
        dead.insert(node.node_id());
      }
    };
    client.Subscribe({protocol::NODES}, std::move(subscription), [](const auto&) {});
  }
  GcsClient client;
  std::map<std::string, std::uint32_t> alive;
  std::set<std::string> dead;
};

struct Simulation {
  explicit Simulation(std::uint64_t seed)
      : loop(seed, SimulatedEventLoop::Order::kShuffled),
        chance(loop.random().Fork("faults")),
        network(loop, loop.random().Fork("network"), {}),
        gcs_transport(network.TransportFor("head.gcs", loop)) {
    StartGcs();
    for (int i = 0; i < 2; ++i) {
      believers.push_back(std::make_unique<Believer>(
          loop, TransportOf(fmt::format("o{}.tool", i), loop), chance.Next()));
    }
    for (int i = 0; i < 4; ++i) AddNode();
  }

  transport::Transport& TransportOf(const std::string& process, EventLoop& process_loop) {
    transports.push_back(network.TransportFor(process, process_loop));
    return *transports.back();
  }
  void StartGcs() {
    server.reset();
    server = std::make_unique<Server>(Server::Deps{loop, storage, log, metrics, Random(1)},
                                      ServerConfig{});
    server->Start([this](const Result<void>& started) {
      ASSERT_TRUE(started);
      ASSERT_TRUE(server->Listen(*gcs_transport, kGcs));
    });
  }
  std::string ProcessOf(std::size_t node) { return fmt::format("n{}.raylet", node); }
  void AddNode() {
    const std::string process = ProcessOf(nodes.size());
    const auto transport = [&](EventLoop& its) -> transport::Transport& {
      return TransportOf(process, its);
    };
    nodes.push_back(std::make_unique<TestNode>(
        loop, transport, kGcs, static_cast<char>('!' + nodes.size()), chance.Next()));
  }

  void Hurt() {
    const std::size_t node = chance.Below(nodes.size());
    TestNode& victim = *nodes[node];
    const std::string host = fmt::format("n{}", node);
    switch (chance.Below(10)) {
      case 0: return nodes.size() < 60 ? AddNode() : void();
      case 1:
        if (!victim.loop.IsAlive()) return;
        victim.loop.Kill();
        return network.Kill(ProcessOf(node));
      case 2: return victim.loop.Pause();
      case 3: return victim.loop.Resume();
      case 4: return network.Part("head", host);
      case 5: return network.Part(host, "head");
      case 6: return network.Heal();
      case 7: return network.Disconnect(ProcessOf(node), "head.gcs");
      case 8: return network.Disconnect("o0.tool", "head.gcs");
      default: return chance.Chance(0.3) ? StartGcs() : victim.SetWorkers(chance.Below(9));
    }
  }

  void Run() {
    for (int step = 0; step < 80; ++step) {
      Hurt();
      loop.RunFor(Duration(chance.Below(2'000'000'000)));
      server->CheckInvariants();
    }
    network.Heal();
    for (auto& node : nodes) node->loop.Resume();
    loop.RunFor(seconds(60));
  }

  /// Once nothing hurts any more, all agree.
  void ExpectAgreement() {
    std::optional<Result<std::vector<protocol::NodeInfo>>> listed;
    believers[0]->client.ListNodes([&](auto nodes) { listed = std::move(nodes); });
    loop.RunFor(seconds(1));
    ASSERT_TRUE(listed && *listed);
    std::map<std::string, std::uint32_t> truth;
    for (const protocol::NodeInfo& node : **listed) {
      if (protocol::IsAlive(node)) truth[node.node_id()] = node.worker_count();
    }
    for (const auto& believer : believers) EXPECT_EQ(believer->alive, truth);
    for (const auto& node : nodes) {
      const bool is_in = truth.contains(node->info.node_id());
      if (!node->loop.IsAlive()) {
        EXPECT_FALSE(is_in) << "killed";
      } else if (node->registered) {
        EXPECT_EQ(is_in, node->fenced == 0) << "in the cluster or fenced, nothing between";
        if (is_in) {
          EXPECT_EQ(truth[node->info.node_id()], node->info.worker_count());
        }
      }
    }
  }

  SimulatedEventLoop loop;
  Random chance;
  transport::SimulatedNetwork network;
  MemoryStorage storage{loop};
  Metrics metrics;
  std::string story;
  EventLog log{loop.clock(), "gcs", LogLevel::kInfo,
               [this](LogLevel, std::string_view line) { (story += line) += '\n'; }};
  std::vector<std::unique_ptr<transport::Transport>> transports;
  std::unique_ptr<transport::Transport> gcs_transport;
  std::unique_ptr<Server> server;
  std::vector<std::unique_ptr<Believer>> believers;
  std::vector<std::unique_ptr<TestNode>> nodes;
};

class GcsSimulationTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(GcsSimulationTest, AllAgreeInTheEndAndNobodyRisesFromTheDead) {
  Simulation simulation(GetParam());
  simulation.Run();
  simulation.ExpectAgreement();
  if (HasFailure()) ADD_FAILURE() << simulation.story;
}
INSTANTIATE_TEST_SUITE_P(Seeds, GcsSimulationTest, testing::Range<std::uint64_t>(1, 31));

TEST(GcsReplayTest, TheSameSeedIsTheSameStory) {
  Simulation one(5);
  Simulation two(5);
  one.Run();
  two.Run();
  EXPECT_EQ(one.story, two.story);
  EXPECT_EQ(one.loop.Digest(), two.loop.Digest());
  EXPECT_FALSE(one.story.empty());
}

TEST(GcsPartitionTest, ANodeBehindAPartitionIsFencedWhenItHeals) {
  for (const bool outward : {true, false}) {  // what it sends is lost, or what it should hear
    Simulation simulation(1);
    simulation.loop.RunFor(seconds(2));
    TestNode& node = *simulation.nodes[0];
    if (outward) {
      simulation.network.Part("n0", "head");
    } else {
      simulation.network.Part("head", "n0");
    }
    node.SetWorkers(3);
    simulation.loop.RunFor(seconds(10));
    EXPECT_EQ(node.fenced, 0);
    EXPECT_EQ(simulation.believers[0]->dead.contains(node.info.node_id()), outward)
        << "one that is heard is alive, even if it hears nothing";
    simulation.network.Heal();
    simulation.loop.RunFor(seconds(10));
    EXPECT_EQ(node.fenced, outward ? 1 : 0);
    simulation.ExpectAgreement();
  }
}

}  // namespace
}  // namespace mobula::gcs
