// Connections between two event loops of one process, each with a thread of its own.

#include "components/transport/inprocess/inprocess_transport.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>

#include "components/base/real/event_loop.h"
#include "tests/patience.h"

namespace mobula::transport {
namespace {

/// One thread with its loop and transport, which answers each frame with the same body.
class Side final : public ConnectionHandler {
 public:
  explicit Side(const std::shared_ptr<InprocessNames>& names)
      : transport_(MakeInprocessTransport(loop_, names)) {
    loop_.RunInThread();
  }
  ~Side() override {
    loop_.Enter([this] {
      connection_.reset();
      listener_.reset();
    });
    loop_.Stop();
    loop_.Join();
  }

  void Listen(const std::string& endpoint) {
    loop_.Enter([&] {
      auto listener = transport_->Listen(
          endpoint, [this](std::unique_ptr<Connection> accepted) { Take(std::move(accepted)); });
      ASSERT_TRUE(listener) << listener.error().ToString();
      listener_ = std::move(*listener);
    });
  }
  ErrorCode Connect(const std::string& endpoint) {
    std::promise<ErrorCode> code;
    loop_.Enter([&] {
      transport_->Connect(endpoint, std::chrono::seconds(10), [&](auto made) {
        if (made) Take(std::move(*made));
        code.set_value(made ? ErrorCode::kInternal : made.error().code());
      });
    });
    return Within(code.get_future(), "the end of a connect");
  }
  void Send(int from) {
    loop_.Enter([&] {
      Frame frame;
      frame.body = std::to_string(from);
      connection_->Send(std::move(frame));
    });
  }
  void Drop() {
    loop_.Enter([this] { connection_.reset(); });
  }

  Result<WritablePayload> PlaceAttachment(const FrameHeader& header, std::string_view) override {
    return WritablePayload::Allocate(header.attachment_bytes);
  }
  /// Counts down to zero, in turns.
  void OnFrame(Frame frame) override {
    const int left = std::stoi(frame.body);
    if (left == 0) return done.set_value();
    Frame answer;
    answer.body = std::to_string(left - 1);
    connection_->Send(std::move(answer));
  }
  void OnClose(const Error& reason) override { closed.set_value(reason.code()); }

  std::promise<void> done;
  std::promise<ErrorCode> closed;

 private:
  void Take(std::unique_ptr<Connection> connection) {
    connection_ = std::move(connection);
    connection_->SetHandler(this);
  }

  RealEventLoop loop_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> connection_;
};

TEST(InprocessTest, FramesCrossFromOneThreadsLoopToAnothers) {
  const auto names = NamesOfThisProcess();
  Side server(names);
  Side client(names);
  server.Listen("inproc://threads");
  client.Connect("inproc://threads");
  client.Send(1001);
  Within(client.done.get_future(), "a thousand frames from thread to thread");
}

TEST(InprocessTest, AConnectionThatEndsInOneThreadIsClosedInTheOther) {
  const auto names = NamesOfThisProcess();
  Side client(names);
  {
    Side server(names);
    server.Listen("inproc://short");
    client.Connect("inproc://short");
    client.Send(1);  // it is answered, so the server has accepted
    Within(client.done.get_future(), "an answer of the server");
  }
  EXPECT_EQ(Within(client.closed.get_future(), "the notice of the end"), ErrorCode::kUnavailable);
  client.Send(5);  // its peer's loop is gone
  EXPECT_EQ(client.Connect("inproc://short"), ErrorCode::kUnavailable);
}

TEST(InprocessTest, NamesOfOneTransportAreUnknownToAnother) {
  Side server(nullptr);
  Side client(nullptr);
  server.Listen("inproc://private");
  EXPECT_EQ(client.Connect("inproc://private"), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace mobula::transport
