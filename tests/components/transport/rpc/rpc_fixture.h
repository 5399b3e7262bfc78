/// \file
/// \brief A client side and a server side over an inprocess transport on virtual time.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "components/base/simulated/event_loop.h"
#include "components/transport/inprocess/inprocess_transport.h"
#include "components/transport/rpc/client.h"
#include "components/transport/rpc/server.h"
#include "tests/components/transport/echo.pb.h"

namespace mobula::transport::rpc {

using std::chrono::milliseconds;
using std::chrono::seconds;
using test::EchoReply;
using test::EchoRequest;

inline constexpr Method<EchoRequest, EchoReply> kEcho{
    {0x0101, "test/Echo", Idempotency::kIdempotent, seconds(5)}};
inline constexpr Method<EchoRequest, EchoReply> kEchoOnce{
    {0x0102, "test/EchoOnce", Idempotency::kOnce, seconds(5)}};
inline constexpr Method<EchoRequest, EchoReply> kHold{
    {0x0103, "test/Hold", Idempotency::kIdempotent, seconds(5)}};
inline constexpr Method<EchoRequest, EchoReply> kBytes{
    {0x0104, "test/Bytes", Idempotency::kIdempotent, seconds(5)}};
inline constexpr Method<EchoRequest, EchoReply> kUnknown{
    {0x01FF, "test/Unknown", Idempotency::kIdempotent, seconds(5)}};

class RpcTest : public testing::Test {
 protected:
  RpcTest() {
    const auto echo = [this](const EchoRequest& request, CallContext context,
                             Respond<EchoReply> respond) {
      ++served_;
      last_deadline_ = context.deadline;
      EchoReply reply;
      reply.set_text(request.text());
      respond(reply);
    };
    services_.Handle(kEcho, echo);
    services_.Handle(kEchoOnce, echo);
    services_.Handle(kHold, [this](const EchoRequest&, CallContext, Respond<EchoReply> respond) {
      held_.push_back(std::move(respond));
    });
    services_.Handle(
        kBytes,
        [](const EchoRequest&, CallContext context, Respond<EchoReply> respond) {
          respond(EchoReply(), context.attachment);  // sends back what came
        },
        [](Peer&, const FrameHeader& header, std::string_view) -> Result<WritablePayload> {
          if (header.attachment_bytes > 1000) {
            return Fail(ErrorCode::kResourceExhausted, "at most 1000 bytes are taken");
          }
          return WritablePayload::Allocate(header.attachment_bytes);
        });
  }

  /// Starts a server at inproc://s.
  void Serve() {
    server_ = std::make_unique<Server>(loop_, services_);
    ASSERT_TRUE(server_->Listen(transport_, "inproc://s"));
  }
  /// \return a peer connected to the server.
  std::unique_ptr<Peer> Connect() {
    std::unique_ptr<Peer> peer;
    transport_.Connect("inproc://s", seconds(1), [&](auto connection) {
      ASSERT_TRUE(connection);
      peer = std::make_unique<Peer>(loop_, std::move(*connection), nullptr);
    });
    loop_.RunReady();
    return peer;
  }
  /// \return a callback that writes the text of the reply, or the error, to `seen`.
  static auto Record(std::vector<std::string>& seen) {
    return [&seen](Result<EchoReply> reply) {
      seen.push_back(reply ? reply->text() : std::string(ErrorCodeName(reply.error().code())));
      EXPECT_TRUE(reply || !reply.error().message().empty());
    };
  }
  static EchoRequest Text(std::string text) {
    EchoRequest request;
    request.set_text(std::move(text));
    return request;
  }

  SimulatedEventLoop loop_{1};
  std::unique_ptr<Transport> owned_transport_ = MakeInprocessTransport(loop_);
  Transport& transport_ = *owned_transport_;
  ServiceTable services_;
  std::vector<Respond<EchoReply>> held_;
  int served_ = 0;
  TimePoint last_deadline_{};
  std::unique_ptr<Server> server_;
};

}  // namespace mobula::transport::rpc
