// A user's threads call on a real loop, under the state lock; for the thread sanitizer above all.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "components/base/real/event_loop.h"
#include "components/transport/handshake.h"
#include "components/transport/rpc/client.h"
#include "components/transport/rpc/server.h"
#include "components/transport/tcp/tcp_transport.h"
#include "tests/components/transport/echo.pb.h"
#include "tests/patience.h"

namespace mobula::transport::rpc {
namespace {

using test::EchoReply;
using test::EchoRequest;

constexpr Method<EchoRequest, EchoReply> kEcho{
    {0x0101, "test/Echo", Idempotency::kIdempotent, std::chrono::seconds(60)}};

/// One process: a loop of its own, and all that stands on it.
struct Process {
  Process() : config(std::make_shared<HandshakeConfig>()), tcp(MakeTcpTransport(loop)) {
    config->token = Token("secret");
    transport = MakeAuthenticatedTransport(*tcp, loop, Random(Random::EntropySeed()), config);
  }
  ~Process() {
    loop.Enter([&] {
      if (client) client->Stop();
      server.reset();
    });
    loop.Stop();
    loop.Join();
  }
  RealEventLoop loop;
  std::shared_ptr<HandshakeConfig> config;
  std::unique_ptr<Transport> tcp;
  std::unique_ptr<Transport> transport;
  ServiceTable services;
  std::unique_ptr<Server> server;
  std::unique_ptr<Client> client;
};

TEST(ThreadsTest, ManyThreadsCallOverOneConnection) {
  Process server;
  server.services.Handle(kEcho, [](const EchoRequest& request, CallContext, auto respond) {
    EchoReply reply;
    reply.set_text(request.text());
    respond(reply);
  });
  server.server = std::make_unique<Server>(server.loop, server.services);
  const auto endpoint = server.server->Listen(*server.transport, "tcp://127.0.0.1:0");
  ASSERT_TRUE(endpoint) << endpoint.error().ToString();
  server.loop.RunInThread();

  Process user;
  user.client = std::make_unique<Client>(user.loop, *user.transport, *endpoint, Random(1));
  user.loop.RunInThread();
  std::vector<std::thread> threads;
  std::atomic<int> answered = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        std::promise<std::string> promise;
        const std::string text = std::to_string(t) + "/" + std::to_string(i);
        user.loop.Enter([&] {
          EchoRequest request;
          request.set_text(text);
          user.client->Call(kEcho, request, [&](Result<EchoReply> reply) {
            promise.set_value(reply ? reply->text() : reply.error().ToString());
          });
          user.client->Flush();
        });
        EXPECT_EQ(Within(promise.get_future(), "a reply"), text);
        ++answered;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(answered, 800);
}

}  // namespace
}  // namespace mobula::transport::rpc
