#include "components/transport/tcp/tcp_transport.h"
#include "tests/components/object_store/real_loop.h"

namespace mobula::object_store {
namespace {

TEST(TcpTransferTest, AHundredMegabytesArriveWhole) {
  constexpr std::uint64_t kSize = 100'000'001;
  RealEventLoop loop;
  std::unique_ptr<transport::Transport> transport;
  std::unique_ptr<StoreNode> from;
  std::unique_ptr<StoreNode> to;
  Told<void> told;
  loop.Enter([&] {
    transport = transport::MakeTcpTransport(loop);
    const auto make = [&] {
      StoreNode::Options options;
      options.store = MakeStore("shared_memory", 128 << 20);
      return std::make_unique<StoreNode>(loop, *transport, "tcp://127.0.0.1:0", std::move(options));
    };
    from = make();
    to = make();
    from->Put(1, kSize);
    ObjectHint hint;
    hint.raylet_endpoints = {from->own_endpoint};
    to->pulls.Pull(TestId(1), hint, {.done = told.Callback(), .is_abandoned = {}});
  });
  ASSERT_TRUE(PollUntil(loop, [&] { return told.value.has_value(); }));
  EXPECT_EQ(told.What(), "ok") << told.Message();
  loop.Enter([&] {
    EXPECT_TRUE(to->Holds(1));
    EXPECT_EQ(from->transfer.sent_bytes(), kSize);
    to.reset();
    from.reset();
  });
}

}  // namespace
}  // namespace mobula::object_store
