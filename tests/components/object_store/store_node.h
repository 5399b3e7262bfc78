/// \file
/// \brief One node's store with all its services on a loop, and clients of it: what tests build on.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "components/base/random.h"
#include "components/object_store/attach.h"
#include "components/object_store/store_service.h"
#include "components/object_store/transfer/pull_manager.h"
#include "components/object_store/transfer/transfer_service.h"
#include "components/transport/rpc/client_pool.h"
#include "components/transport/rpc/server.h"
#include "tests/components/object_store/stores.h"

namespace mobula::object_store {

inline ObjectId TestId(int n) { return ObjectId::OfTask(TaskId(), static_cast<std::uint32_t>(n)); }

/// The bytes of object `n`: different for each object and each position.
inline std::byte TestByte(int n, std::size_t at) {
  return std::byte((at * 131 + at / 4096 + static_cast<std::size_t>(n) * 17) & 0xFF);
}
inline void FillTestBytes(int n, std::span<std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = TestByte(n, i);
}
inline bool HasTestBytes(int n, std::span<const std::byte> bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != TestByte(n, i)) return false;
  }
  return true;
}

/// A raylet's share in objects. Options are read when it is made.
class StoreNode {
 public:
  struct Options {
    std::uint64_t capacity = 1 << 20;
    CreateQueueOptions creates{};
    PullOptions pulls{};
    std::unique_ptr<ObjectStore> store{};  ///< Null: a heap store of `capacity`.
  };
  StoreNode(EventLoop& loop, transport::Transport& transport, const std::string& endpoint,
            Options options)
      : store(options.store != nullptr ? std::move(options.store)
                                       : MakeStore("heap", options.capacity)),
        pool(loop, [&transport](std::string_view) { return &transport; }, Random(1), {}),
        creates(loop, *store, options.creates),
        pulls({loop, *store, creates, pool, Random(2)}, options.pulls),
        service({loop, *store, creates, &pulls}),
        transfer({loop, *store}),
        server(loop, table) {
    service.Bind(table);
    transfer.Bind(table);
    server.OnPeer([](rpc::Peer&) {},
                  [this](rpc::Peer& peer, const Error&) { service.OnPeerClosed(peer); });
    auto listening = server.Listen(transport, endpoint);
    EXPECT_TRUE(listening) << listening.error().ToString();
    if (listening) pulls.SetOwnEndpoint(own_endpoint = *listening);
  }

  /// Puts a primary copy of object `n` here.
  void Put(int n, std::uint64_t size) const {
    auto object = store->Create(TestId(n), size, CopyKind::kPrimary, kRaylet);
    ASSERT_TRUE(object) << object.error().ToString();
    FillTestBytes(n, object->bytes);
    ASSERT_TRUE(store->Seal(TestId(n), kRaylet));
  }
  [[nodiscard]] bool Holds(int n) {
    const auto view = service.Read(TestId(n));
    return view && HasTestBytes(n, view->bytes());
  }

  std::unique_ptr<ObjectStore> store;
  rpc::ClientPool pool;
  CreateQueue creates;
  PullManager pulls;
  StoreService service;
  TransferService transfer;
  rpc::ServiceTable table;
  rpc::Server server;
  std::string own_endpoint;
};

/// What a callback was told, and whether it was told at all.
template <typename T>
struct Told {
  auto Callback() {
    return [this](Result<T> result) {
      EXPECT_FALSE(value) << "a callback runs once";
      value.emplace(std::move(result));
    };
  }
  [[nodiscard]] bool Ok() const { return value && value->has_value(); }
  /// \return "" before, "ok", or the name of the error code.
  [[nodiscard]] std::string_view What() const {
    if (!value) return "";
    return *value ? "ok" : ErrorCodeName(value->error().code());
  }
  [[nodiscard]] std::string Message() const {
    return value && !*value ? value->error().message() : "";
  }
  std::optional<Result<T>> value;
};

}  // namespace mobula::object_store
