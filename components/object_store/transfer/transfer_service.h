/// \file
/// \edge
/// \brief What a node answers when another node wants one of its objects.
///
/// Two calls: has it, and give me this range. A range is pinned while it is sent and goes from the
/// store's memory to the socket without a copy. Reading changes nothing, so a reader may ask again,
/// ask somebody else, and ask for several ranges at once; all strategy is the reader's.
///
/// Later parts fit without another call: a spilled object is `found`, and its range is read from
/// disk as the attachment; a node that holds a prefix answers `found` too and kUnavailable for
/// ranges that have not come yet, so that a broadcast becomes a chain whose nodes are told one
/// another as sources.
#pragma once

#include "components/object_store/raylet_pins.h"
#include "components/protocol/object_store.pb.h"
#include "components/transport/rpc/service_table.h"

namespace mobula::object_store {

/// Threads: the state lock. Lifetime: loop and store outlive it; it outlives the peers.
class TransferService {
 public:
  /// The largest range of one call; a larger one is kInvalidArgument.
  static constexpr std::uint64_t kChunkBytesMax = 16ULL << 20;

  struct Deps {
    EventLoop& loop;
    ObjectStore& store;
  };
  explicit TransferService(const Deps& deps) : store_(deps.store), pins_(deps.loop, deps.store) {}
  /// Adds the handlers of `TransferService`.
  void Bind(rpc::ServiceTable& table);
  /// \return object bytes handed out so far.
  [[nodiscard]] std::uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  [[nodiscard]] Result<protocol::LocateObjectReply> Locate(
      const protocol::LocateObjectRequest& request) const;
  Result<Payload> ReadChunk(const protocol::ReadChunkRequest& request);

  ObjectStore& store_;
  RayletPins pins_;
  std::uint64_t sent_bytes_ = 0;
};

}  // namespace mobula::object_store
