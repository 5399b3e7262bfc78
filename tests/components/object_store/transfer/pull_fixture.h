/// \file
/// \brief A few nodes' stores on a simulated network.
#pragma once

#include "components/base/simulated/event_loop.h"
#include "components/transport/simulated/simulated_network.h"
#include "tests/components/object_store/store_node.h"

namespace mobula::object_store {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr std::uint64_t kChunk = 4096;

/// Each test pulls to node 0 from others.
class PullTest : public testing::Test {
 protected:
  explicit PullTest(std::uint64_t seed = 1)
      : loop_(seed), network_(loop_, loop_.random().Fork("network"), {}) {}

  static StoreNode::Options Options(std::uint64_t capacity = 1 << 20) {
    StoreNode::Options options;
    options.capacity = capacity;
    options.pulls = {.chunk_bytes = kChunk, .chunks_in_flight = 3, .bytes_in_flight_max = 1 << 20};
    return options;
  }
  static std::string Process(std::size_t n) { return fmt::format("n{}.raylet", n); }
  static std::string EndpointOf(std::size_t n) { return fmt::format("sim://{}/rpc", Process(n)); }

  StoreNode& Add(StoreNode::Options options = Options()) {
    const std::size_t n = nodes_.size();
    transports_.push_back(network_.TransportFor(Process(n), loop_));
    nodes_.push_back(
        std::make_unique<StoreNode>(loop_, *transports_.back(), EndpointOf(n), std::move(options)));
    return *nodes_.back();
  }
  StoreNode& Node(std::size_t n) { return *nodes_[n]; }
  static ObjectHint At(std::initializer_list<std::size_t> nodes) {
    ObjectHint hint;
    for (const std::size_t n : nodes) hint.raylet_endpoints.push_back(EndpointOf(n));
    return hint;
  }
  void Pull(int object, std::initializer_list<std::size_t> from, Told<void>& told) {
    Node(0).pulls.Pull(TestId(object), At(from), {.done = told.Callback(), .is_abandoned = {}});
  }
  /// Runs until node 0 has received that much.
  void RunUntilReceived(std::uint64_t bytes) {
    const auto enough = [&] { return Node(0).pulls.received_bytes() >= bytes; };
    ASSERT_TRUE(loop_.RunUntil(enough, seconds(9)));
  }

  SimulatedEventLoop loop_;
  transport::SimulatedNetwork network_;
  std::vector<std::unique_ptr<transport::Transport>> transports_;
  std::vector<std::unique_ptr<StoreNode>> nodes_;
};

}  // namespace mobula::object_store
