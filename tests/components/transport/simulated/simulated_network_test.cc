#include "components/transport/simulated/simulated_network.h"

#include <gtest/gtest.h>

#include "components/base/simulated/event_loop.h"
#include "components/base/simulated/scoped_loop.h"

namespace mobula::transport {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class Recorder final : public ConnectionHandler {
 public:
  Result<WritablePayload> PlaceAttachment(const FrameHeader& header, std::string_view) override {
    return WritablePayload::Allocate(header.attachment_bytes);
  }
  void OnFrame(Frame frame) override { bodies.push_back(std::move(frame.body)); }
  void OnClose(const Error& reason) override { closed = reason; }
  std::vector<std::string> bodies;
  std::optional<Error> closed;
};

/// A process of the simulation: its loop, its transport, and one end of a connection.
struct Process {
  Process(const std::string& name, SimulatedNetwork& network, EventLoop& inner)
      : loop(inner), transport(network.TransportFor(name, loop)) {}
  void Say(const std::string& body) const {
    Frame frame;
    frame.body = body;
    connection->Send(std::move(frame));
  }
  ScopedEventLoop loop;
  std::unique_ptr<Transport> transport;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connection> connection;
  Recorder received;
};

class SimulatedNetworkTest : public testing::Test {
 protected:
  SimulatedNetworkTest() {
    auto made = server_.transport->Listen("sim://n1.gcs/rpc", [this](auto connection) {
      connection->SetHandler(&server_.received);
      server_.connection = std::move(connection);
    });
    EXPECT_TRUE(made);
    server_.listener = std::move(*made);
  }
  void Connect() {
    client_.transport->Connect("sim://n1.gcs/rpc", seconds(1), [this](auto connection) {
      ASSERT_TRUE(connection);
      client_.connection = std::move(*connection);
      client_.connection->SetHandler(&client_.received);
    });
    loop_.RunFor(milliseconds(100));
    ASSERT_NE(server_.connection, nullptr);
  }

  SimulatedEventLoop loop_{1};
  SimulatedNetwork network_{loop_, Random(1), {}};
  Process server_{"n1.gcs", network_, loop_};
  Process client_{"n2.raylet", network_, loop_};
};

TEST_F(SimulatedNetworkTest, MessagesTakeTimeAndKeepTheirOrder) {
  Connect();
  const TimePoint before = loop_.Now();
  for (int i = 0; i < 100; ++i) {
    client_.Say(std::to_string(i));
    client_.connection->Flush();
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return server_.received.bodies.size() == 100; }, seconds(10)));
  EXPECT_GE(loop_.Now() - before, SimulatedNetworkConfig{}.latency_min);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(server_.received.bodies[static_cast<std::size_t>(i)], std::to_string(i));
  }
}

TEST_F(SimulatedNetworkTest, PartedHostsHearNothingUntilTheyAreHealed) {
  Connect();
  network_.Part("n2", "n1");
  client_.Say("held");
  server_.Say("the other way is open");
  loop_.RunFor(seconds(5));
  EXPECT_TRUE(server_.received.bodies.empty());
  EXPECT_EQ(client_.received.bodies.size(), 1U);
  client_.Say("behind it");
  network_.Heal();
  client_.Say("after");
  loop_.RunFor(seconds(1));
  EXPECT_EQ(server_.received.bodies, (std::vector<std::string>{"held", "behind it", "after"}));
}

TEST_F(SimulatedNetworkTest, ConnectingAcrossAPartitionTimesOut) {
  network_.Part("n1", "n2");
  std::optional<Error> error;
  client_.transport->Connect("sim://n1.gcs/rpc", seconds(3),
                             [&](auto made) { error = made.error(); });
  loop_.RunFor(milliseconds(2999));
  EXPECT_FALSE(error);
  loop_.RunFor(milliseconds(2));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kDeadlineExceeded);
}

TEST_F(SimulatedNetworkTest, TheDeadAreSilentAtOnceAndMissedSoon) {
  Connect();
  server_.Say("last words, never flushed");
  network_.Kill("n1.gcs");
  server_.loop.Kill();
  loop_.RunFor(seconds(1));
  EXPECT_TRUE(client_.received.bodies.empty());
  ASSERT_TRUE(client_.received.closed);
  EXPECT_EQ(client_.received.closed->code(), ErrorCode::kUnavailable);
  std::optional<Error> error;
  client_.transport->Connect("sim://n1.gcs/rpc", seconds(3),
                             [&](auto made) { error = made.error(); });
  loop_.RunFor(seconds(1));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
}

TEST_F(SimulatedNetworkTest, APausedProcessHearsOfADeathWhenItResumes) {
  Connect();
  client_.loop.Pause();
  network_.Kill("n1.gcs");
  server_.loop.Kill();
  loop_.RunFor(seconds(1));
  EXPECT_FALSE(client_.received.closed);
  client_.loop.Resume();
  loop_.RunFor(seconds(1));
  EXPECT_TRUE(client_.received.closed);
}

TEST_F(SimulatedNetworkTest, ACutIsNoticedAtBothEnds) {
  Connect();
  network_.Disconnect("n2.raylet", "n1.gcs");
  loop_.RunFor(seconds(1));
  EXPECT_TRUE(client_.received.closed);
  EXPECT_TRUE(server_.received.closed);
}

TEST_F(SimulatedNetworkTest, ADestroyedConnectionClosesTheOtherEnd) {
  Connect();
  client_.Say("bye");
  client_.connection.reset();
  loop_.RunFor(seconds(1));
  EXPECT_EQ(server_.received.bodies.size(), 1U);
  EXPECT_TRUE(server_.received.closed);
}

TEST_F(SimulatedNetworkTest, AProcessMayEndInPeaceWhileOthersTalkToIt) {
  auto third = std::make_unique<Process>("n3.raylet", network_, loop_);
  third->transport->Connect("sim://n1.gcs/rpc", seconds(1),
                            [&](auto connection) { third->connection = std::move(*connection); });
  loop_.RunFor(seconds(1));
  for (int i = 0; i < 5; ++i) server_.Say("on its way");
  server_.connection->Flush();
  third = nullptr;
  loop_.RunFor(seconds(1));
  EXPECT_TRUE(server_.received.closed);
}

/// \return in which order messages of different connections arrive.
std::string Order(std::uint64_t seed) {
  SimulatedEventLoop loop(seed);
  SimulatedNetwork network(loop, loop.random().Fork("network"), {});
  Process server("a", network, loop);
  std::vector<std::unique_ptr<Connection>> accepted;
  std::string order;
  class Letters final : public ConnectionHandler {
   public:
    explicit Letters(std::string& o) : order(o) {}
    Result<WritablePayload> PlaceAttachment(const FrameHeader&, std::string_view) override {
      return Fail(ErrorCode::kInternal, "none");
    }
    void OnFrame(Frame frame) override { order += frame.body; }
    void OnClose(const Error&) override {}
    std::string& order;
  } letters(order);
  auto listener = server.transport->Listen("sim://a/x", [&](auto connection) {
    connection->SetHandler(&letters);
    accepted.push_back(std::move(connection));
  });
  Process client("b", network, loop);
  std::vector<std::unique_ptr<Connection>> made;
  for (int i = 0; i < 8; ++i) {
    client.transport->Connect("sim://a/x", seconds(1),
                              [&](auto connection) { made.push_back(std::move(*connection)); });
  }
  loop.RunFor(seconds(1));
  for (std::size_t i = 0; i < made.size(); ++i) {
    Frame frame;
    frame.body = std::string(1, static_cast<char>('a' + i));
    made[i]->Send(std::move(frame));
  }
  loop.RunFor(seconds(1));
  return order;
}

TEST_F(SimulatedNetworkTest, ConnectionsOvertakeEachOtherBySeedOnly) {
  EXPECT_EQ(Order(1).size(), 8U);
  EXPECT_EQ(Order(1), Order(1));
  EXPECT_NE(Order(1), Order(2));
}

}  // namespace
}  // namespace mobula::transport
