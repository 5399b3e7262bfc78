/// \file
/// \brief Pulls objects of other nodes into this store, in chunks, straight into place.
///
///     Pull ─► locate ─► admit ─► create ─► read chunks ─► seal ─► done
///               ▲   no source left: kNotFound │
///               └─────── next source ◄────────┘ the chunks that came stay
///
/// A source that answers "not there" is not asked again. A source that does not answer may still
/// have the only copy, so it is asked again as long as it is a member of the cluster, and for
/// `reach_max` at most.
///
/// Bounds: `bytes_in_flight_max` over all pulls (one larger object may always go alone);
/// `chunks_in_flight` per pull; waiting for room as long as any create (create_queue.h). A pull
/// without waiters ends at its next step.
///
/// Memory is safe against late bytes. Each write under way holds the *landing* of its pull. Only
/// when the last holder drops it is the room of a failed pull given back, and only then may a
/// finished one be evicted. A source that was given up may still deliver: its bytes are the same.
///
/// Later parts: spilling is invisible from here (transfer_service.h); several sources at once means
/// dealing the missing chunks out over several located sources instead of one; serving a prefix
/// means telling TransferService of the landing's chunks.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "components/base/config_value.h"
#include "components/base/lifetime.h"
#include "components/base/random.h"
#include "components/object_store/create_queue.h"
#include "components/object_store/object_store.h"
#include "components/object_store/puller.h"
#include "components/protocol/object_store.pb.h"
#include "components/transport/rpc/client_pool.h"

namespace mobula::object_store {

struct PullOptions {
  std::uint64_t chunk_bytes = 2ULL << 20;
  std::uint64_t chunks_in_flight = 4;
  std::uint64_t bytes_in_flight_max = 256ULL << 20;
  Duration reach_max = std::chrono::seconds(30);  ///< A source out of reach longer has no copy.
};
/// Reads `transfer:` of the `object_store:` map; the keys are named as the fields.
[[nodiscard]] PullOptions ReadPullOptions(ConfigReader& reader);

/// Threads: the state lock. Lifetime: everything in `Deps` outlives it. Cost: no copy, no memory
/// beside the object's own.
class PullManager final : public Puller {
 public:
  struct Deps {
    EventLoop& loop;
    ObjectStore& store;
    CreateQueue& creates;
    rpc::ClientPool& raylets;
    Random random;  ///< Which source is asked first: spreads the load of popular objects.
  };
  PullManager(Deps deps, PullOptions options);
  ~PullManager() override;

  void Pull(const ObjectId& id, const ObjectHint& hint, PullWaiter waiter) override;
  void Stop() override;
  /// This node's own endpoint: never asked.
  void SetOwnEndpoint(std::string endpoint) { own_endpoint_ = std::move(endpoint); }
  /// Tells members of the cluster, which may be out of reach for a while, from nodes that have left
  /// it. Until this is called, no endpoint counts as a member.
  void SetIsMember(std::function<bool(const std::string& endpoint)> is_member) {
    is_member_ = std::move(is_member);
  }

  [[nodiscard]] std::uint64_t bytes_in_flight() const { return admitted_bytes_; }
  [[nodiscard]] std::size_t pull_count() const { return pulls_.size(); }
  [[nodiscard]] std::uint64_t received_bytes() const { return received_bytes_; }

 private:
  /// The memory a pull writes into. Owners: the pull and every write under way.
  struct Landing;
  /// One pull. `serial` tells it from an earlier one of the same id, `attempt` one source from the
  /// next: answers to either are recognised and ignored when late.
  struct State {
    ObjectId id;
    std::uint64_t serial = 0;
    std::uint64_t attempt = 0;
    std::vector<PullWaiter> waiters;
    std::set<std::string> known;  ///< Every source ever named.
    std::vector<std::string> untried;
    std::vector<std::string> unreached;  ///< Did not answer; asked again after `backoff`.
    Duration backoff{};
    TimePoint reach_until{};  ///< Meaningful with `unreached`.
    std::string failures;     ///< Which source failed how, for the message.
    std::string source;
    std::shared_ptr<rpc::Client> client;
    std::uint64_t size_bytes = 0;
    bool admitted = false;
    std::shared_ptr<Landing> landing;  ///< Null until created.
    std::vector<bool> received;        ///< By chunk.
    std::deque<std::uint64_t> missing;
    std::uint64_t chunks_left = 0;
    std::uint64_t in_flight = 0;
  };

  void AddSources(State& pull, const ObjectHint& hint);
  State* Find(const ObjectId& id, std::uint64_t serial);
  [[nodiscard]] bool IsWanted(State& pull);
  void NextSource(State& pull);
  void SourceFailed(State& pull, std::string_view why);
  void SourceFailed(State& pull, const Error& error);
  void AskUnreachedLater(State& pull);
  void Located(State& pull, const protocol::LocateObjectReply& reply);
  void Admit();
  void Create(State& pull);
  void Created(State& pull, const StoredObject& object);
  void ReadMore(State& pull);
  void ReadChunk(State& pull, std::uint64_t index);
  void ChunkCame(State& pull, std::uint64_t index);
  void Finish(State& pull, const Result<void>& result);
  std::shared_ptr<Landing> MakeLanding(const ObjectId& id, std::span<std::byte> bytes);
  [[nodiscard]] std::uint64_t ChunkBytes(const State& pull, std::uint64_t index) const;

  Deps deps_;
  const PullOptions options_;
  std::string own_endpoint_;
  std::function<bool(const std::string&)> is_member_ = [](const std::string&) { return false; };
  std::map<ObjectId, std::unique_ptr<State>> pulls_;
  std::deque<std::pair<ObjectId, std::uint64_t>> waiting_;  // for admission: id, serial
  std::uint64_t admitted_bytes_ = 0;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t last_serial_ = 0;
  bool stopped_ = false;
  Lifetime alive_;
};

}  // namespace mobula::object_store
