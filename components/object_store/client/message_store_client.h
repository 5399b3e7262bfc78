/// \file
/// \edge
/// \brief Kind `message`: bytes travel beside the calls, in private memory on this side.
///
/// Works over every transport and needs nothing from the operating system, so it is the client of
/// simulation, embedded clusters and the `heap` store. Costs two copies where `mapped` has none.
#pragma once

#include <unordered_map>

#include "components/base/lifetime.h"
#include "components/object_store/batched_releases.h"
#include "components/object_store/client/shared_gets.h"
#include "components/object_store/store_client.h"
#include "components/transport/rpc/client.h"

namespace mobula::object_store {

/// See `StoreClient` for the contract, `AttachStore` for how to get one.
class MessageStoreClient final : public StoreClient {
 public:
  MessageStoreClient(EventLoop& loop, rpc::Client& raylet, std::uint64_t capacity_bytes);
  ~MessageStoreClient() override;

  void Create(const ObjectId& id, std::uint64_t size_bytes, Done<WritablePayload> done) override;
  void Seal(const ObjectId& id, Done<void> done) override;
  void Abort(const ObjectId& id) override;
  void Get(const ObjectId& id, const ObjectHint& hint, Done<Payload> done) override;
  std::uint64_t capacity_bytes() const override { return capacity_bytes_; }
  std::string_view Name() const override { return "message"; }

 private:
  rpc::Client& raylet_;
  const std::uint64_t capacity_bytes_;
  std::unordered_map<ObjectId, WritablePayload> writing_;  // never walked
  SharedGets gets_;
  std::shared_ptr<BatchedReleases> dropped_;  // owners: this and the payloads handed out
  Lifetime alive_;
};

}  // namespace mobula::object_store
