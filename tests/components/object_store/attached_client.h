/// \file
/// \brief A store and a client of it in one process, on one real loop, with a socket between them.
#pragma once

#include "components/object_store/attach.h"
#include "components/transport/unix/unix_transport.h"
#include "tests/components/object_store/real_loop.h"

namespace mobula::object_store {

/// What tests of clients begin with. Mixed into a fixture, whose tests use the members.
class AttachedClient {
 protected:
  explicit AttachedClient(StoreNode::Options options) {
    loop_.Enter([&] {
      transport_ = transport::MakeUnixTransport(loop_);
      node_ = std::make_unique<StoreNode>(loop_, *transport_, "unix://" + folder_.path() + "/s",
                                          std::move(options));
      connection_ =
          std::make_unique<rpc::Client>(loop_, *transport_, node_->own_endpoint, Random(3));
    });
    Told<std::unique_ptr<StoreClient>> attached;
    Run([&] { AttachStore(loop_, *connection_, attached.Callback()); }, attached);
    EXPECT_EQ(attached.What(), "ok") << attached.Message();
    client_ = std::move(**attached.value);
  }
  ~AttachedClient() {
    loop_.Enter([this] {
      client_.reset();
      connection_.reset();
      node_.reset();
    });
  }

  /// Runs `call`, and the loop until it has been answered.
  template <typename Call, typename T>
  void Run(Call call, const Told<T>& told) {
    loop_.Enter(call);
    ASSERT_TRUE(PollUntil(loop_, [&] { return told.value.has_value(); })) << "there is no answer";
  }
  std::string_view Create(int n, std::uint64_t size, Told<WritablePayload>* created) {
    Run([&] { client_->Create(TestId(n), size, created->Callback()); }, *created);
    return created->What();
  }
  std::string_view Seal(int n) {
    Told<void> sealed;
    Run([&] { client_->Seal(TestId(n), sealed.Callback()); }, sealed);
    return sealed.What();
  }
  std::string_view Put(int n, std::uint64_t size) {
    Told<WritablePayload> created;
    if (Create(n, size, &created) != "ok") return created.What();
    FillTestBytes(n, (*created.value)->bytes);
    created.value.reset();
    return Seal(n);
  }
  Result<Payload> Get(int n, const ObjectHint& hint = {}) {
    Told<Payload> got;
    Run([&] { client_->Get(TestId(n), hint, got.Callback()); }, got);
    return std::move(*got.value);
  }

  TestFolder folder_;
  RealEventLoop loop_;
  std::unique_ptr<transport::Transport> transport_;
  std::unique_ptr<StoreNode> node_;
  std::unique_ptr<rpc::Client> connection_;
  std::unique_ptr<StoreClient> client_;
};

}  // namespace mobula::object_store
