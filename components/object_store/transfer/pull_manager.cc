#include "components/object_store/transfer/pull_manager.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "components/base/check.h"
#include "components/object_store/transfer/transfer_service.h"
#include "components/protocol/object_store_methods.h"

namespace mobula::object_store {

namespace {

constexpr Duration kBackoffMin = std::chrono::milliseconds(20);
constexpr Duration kBackoffMax = std::chrono::milliseconds(500);

}  // namespace

struct PullManager::Landing {
  std::span<std::byte> bytes;
  bool closed = false;  ///< The pull is over: no more writes begin.
  bool sealed = false;
  std::move_only_function<void(bool sealed)> gone;

  Landing() = default;
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;
  ~Landing() { gone(sealed); }
};

PullOptions ReadPullOptions(ConfigReader& reader) {
  PullOptions options;
  ConfigReader transfer(reader.Child("transfer"), reader.path() + ".transfer");
  options.chunk_bytes = transfer.Size("chunk", options.chunk_bytes);
  if (options.chunk_bytes == 0 || options.chunk_bytes > TransferService::kChunkBytesMax) {
    transfer.Reject("chunk", "a chunk has 1 B to 16 MiB");
  }
  options.chunks_in_flight =
      transfer.Integer("chunks_in_flight", options.chunks_in_flight, 1, 1000);
  options.bytes_in_flight_max = transfer.Size("bytes_in_flight_max", options.bytes_in_flight_max);
  options.reach_max = transfer.Time("reach_max", options.reach_max);
  if (const auto read = transfer.Finish(); !read) reader.Reject("transfer", read.error().message());
  return options;
}

PullManager::PullManager(Deps deps, PullOptions options) : deps_(deps), options_(options) {}

PullManager::~PullManager() { Stop(); }

void PullManager::Pull(const ObjectId& id, const ObjectHint& hint, PullWaiter waiter) {
  if (stopped_) {
    return deps_.loop.Post([done = std::move(waiter.done)]() mutable {
      done(Fail(ErrorCode::kCancelled, "the object store is stopping"));
    });
  }
  // A second pull of an object joins the first one; it may know of other sources.
  auto& pull = pulls_[id];
  const bool is_new = pull == nullptr;
  if (is_new) {
    pull = std::make_unique<State>();
    pull->id = id;
    pull->serial = ++last_serial_;
  }
  pull->waiters.push_back(std::move(waiter));
  AddSources(*pull, hint);
  if (!is_new) return;
  // Begun in a later turn, so that `done` never runs inside `Pull`.
  deps_.loop.Post(alive_.Bind([this, id, serial = pull->serial] {
    if (State* pull = Find(id, serial)) NextSource(*pull);
  }));
}

/// Each endpoint counts once for a pull, so a source that has failed is not tried again just
/// because another reader names it too. This node is no source.
void PullManager::AddSources(State& pull, const ObjectHint& hint) {
  for (const std::string& endpoint : hint.raylet_endpoints) {
    if (endpoint != own_endpoint_ && pull.known.insert(endpoint).second) {
      pull.untried.push_back(endpoint);
    }
  }
}

/// \return the pull that an answer is for; null when it has ended or is a later one of that id.
PullManager::State* PullManager::Find(const ObjectId& id, std::uint64_t serial) {
  const auto it = pulls_.find(id);
  return it != pulls_.end() && it->second->serial == serial ? it->second.get() : nullptr;
}

/// Ends the pull when nobody waits any more. \return false when it has ended.
bool PullManager::IsWanted(State& pull) {
  std::erase_if(pull.waiters, [](const PullWaiter& waiter) {
    return waiter.is_abandoned && waiter.is_abandoned();
  });
  if (!pull.waiters.empty()) return true;
  Finish(pull, Fail(ErrorCode::kCancelled, "nobody waits for object {}", pull.id.Short()));
  return false;
}

void PullManager::NextSource(State& pull) {
  if (!IsWanted(pull)) return;
  // A local process may have made the object meanwhile: re-execution gives it the same id.
  if (deps_.store.ContainsSealed(pull.id)) return Finish(pull, {});
  if (pull.untried.empty() && !pull.unreached.empty()) return AskUnreachedLater(pull);
  // Each source has answered that it has no copy, or has left the cluster. The owner decides
  // whether there are others, or whether the object must be made again.
  if (pull.untried.empty()) {
    return Finish(
        pull, Fail(ErrorCode::kNotFound, "object {} is on none of {} nodes{}{}", pull.id.Short(),
                   pull.known.size(), pull.failures.empty() ? "" : ": ", pull.failures));
  }
  // At random, so that many readers of one object do not all ask the same source.
  const auto chosen =
      pull.untried.begin() + static_cast<std::ptrdiff_t>(deps_.random.Below(pull.untried.size()));
  // A new attempt: answers that earlier sources still owe us are told apart by its number.
  pull.source = std::move(*chosen);
  pull.untried.erase(chosen);
  pull.client = deps_.raylets.Get(pull.source);
  ++pull.attempt;
  protocol::LocateObjectRequest request;
  request.set_id(std::string(pull.id.Binary()));
  pull.client->Call(protocol::kLocateObject, request,
                    alive_.Bind([this, id = pull.id, serial = pull.serial, attempt = pull.attempt](
                                    const Result<protocol::LocateObjectReply>& reply) {
                      State* pull = Find(id, serial);
                      if (pull == nullptr || pull->attempt != attempt) return;
                      if (!reply) return SourceFailed(*pull, reply.error());
                      Located(*pull, *reply);
                    }));
}

void PullManager::SourceFailed(State& pull, std::string_view why) {
  if (!pull.failures.empty()) pull.failures += "; ";
  pull.failures += fmt::format("{}: {}", pull.source, why);
  NextSource(pull);
}

/// \param error of a call to the source: an answer, or that there was none.
void PullManager::SourceFailed(State& pull, const Error& error) {
  // No answer does not mean that there is no copy. A member of the cluster may hold the only one
  // and is asked again for a while; a node that has left it is believed to be gone.
  const bool is_answer = error.code() != ErrorCode::kUnavailable &&
                         error.code() != ErrorCode::kDeadlineExceeded &&
                         error.code() != ErrorCode::kCancelled;
  if (!is_answer && is_member_(pull.source)) {
    // The first silence starts the clock; `reach_max` counts from here over all sources.
    if (pull.backoff == Duration(0)) {
      pull.backoff = kBackoffMin;
      pull.reach_until = deps_.loop.Now() + options_.reach_max;
    }
    if (deps_.loop.Now() < pull.reach_until) pull.unreached.push_back(pull.source);
  }
  SourceFailed(pull, error.message());
}

/// All sources that did not answer are asked again after a growing pause, except those that have
/// left the cluster meanwhile.
void PullManager::AskUnreachedLater(State& pull) {
  ++pull.attempt;  // late answers of the last source do not count
  const Duration wait = pull.backoff;
  pull.backoff = std::min(2 * pull.backoff, kBackoffMax);
  deps_.loop.Schedule(wait, alive_.Bind([this, id = pull.id, serial = pull.serial] {
    State* pull = Find(id, serial);
    if (pull == nullptr) return;
    std::erase_if(pull->unreached, [this](const auto& source) { return !is_member_(source); });
    pull->failures.clear();
    std::ranges::move(std::exchange(pull->unreached, {}), std::back_inserter(pull->untried));
    NextSource(*pull);
  }));
}

void PullManager::Located(State& pull, const protocol::LocateObjectReply& reply) {
  // The owner's list was stale: this copy was evicted or freed.
  if (!reply.found()) return SourceFailed(pull, "not there");
  if (pull.admitted && reply.size_bytes() != pull.size_bytes) {
    return SourceFailed(
        pull, fmt::format("has {} bytes instead of {}", reply.size_bytes(), pull.size_bytes));
  }
  pull.size_bytes = reply.size_bytes();
  // The first source that has it tells the size, and with it how much memory the pull needs.
  if (pull.landing == nullptr) {
    waiting_.emplace_back(pull.id, pull.serial);
    return Admit();
  }
  // An earlier source has delivered a part before it failed: only the other chunks are asked for.
  pull.missing.clear();
  for (std::uint64_t i = 0; i < pull.received.size(); ++i) {
    if (!pull.received[i]) pull.missing.push_back(i);
  }
  pull.in_flight = 0;
  ReadMore(pull);
}

/// Lets waiting pulls begin in the order in which they came, as far as the bound allows.
void PullManager::Admit() {
  while (!waiting_.empty()) {
    // A pull that alone is larger than the bound goes when no other is under way.
    State* pull = Find(waiting_.front().first, waiting_.front().second);
    if (pull != nullptr && admitted_bytes_ > 0 &&
        admitted_bytes_ + pull->size_bytes > options_.bytes_in_flight_max) {
      return;
    }
    waiting_.pop_front();
    if (pull == nullptr || !IsWanted(*pull)) continue;
    pull->admitted = true;
    admitted_bytes_ += pull->size_bytes;
    Create(*pull);
  }
}

void PullManager::Create(State& pull) {
  const CreateQueue::Request wanted{.id = pull.id,
                                    .size_bytes = pull.size_bytes,
                                    .kind = CopyKind::kSecondary,
                                    .client = kRaylet};
  deps_.creates.Create(
      wanted, alive_.Bind([this, id = pull.id, serial = pull.serial](Result<StoredObject> object) {
        State* pull = Find(id, serial);
        if (pull == nullptr) {
          // The pull ended while it waited for room; what has just been created is not wanted.
          if (object) (void)deps_.store.Abort(id, kRaylet);
          return;
        }
        if (object) return Created(*pull, *object);
        if (deps_.store.ContainsSealed(id)) return Finish(*pull, {});  // made here meanwhile
        // A local writer holds the id and has not sealed it in all that time.
        if (object.error().code() == ErrorCode::kAlreadyExists) {
          return Finish(*pull, Fail(ErrorCode::kUnavailable, "{}", object.error().message()));
        }
        Finish(*pull, Fail(std::move(object.error())));
      }));
}

void PullManager::Created(State& pull, const StoredObject& object) {
  // The memory is there for good: from here on a failed source costs only the chunks that it owes.
  pull.landing = MakeLanding(pull.id, object.bytes);
  pull.chunks_left = (pull.size_bytes + options_.chunk_bytes - 1) / options_.chunk_bytes;
  pull.received.resize(pull.chunks_left);
  for (std::uint64_t i = 0; i < pull.chunks_left; ++i) pull.missing.push_back(i);
  ReadMore(pull);
}

/// The landing's destructor may run deep inside the transport, when a broken connection drops its
/// last write; the store is told in a turn of the loop of its own.
std::shared_ptr<PullManager::Landing> PullManager::MakeLanding(const ObjectId& id,
                                                               std::span<std::byte> bytes) {
  auto landing = std::make_shared<Landing>();
  landing->bytes = bytes;
  landing->gone = [loop = &deps_.loop, end = alive_.Bind([this, id](bool sealed) {
    if (sealed) return deps_.store.Release(id, kRaylet);
    (void)deps_.store.Abort(id, kRaylet);
  })](bool sealed) mutable {
    loop->Post([end = std::move(end), sealed]() mutable { end(sealed); });
  };
  return landing;
}

std::uint64_t PullManager::ChunkBytes(const State& pull, std::uint64_t index) const {
  return std::min(options_.chunk_bytes, pull.size_bytes - index * options_.chunk_bytes);
}

void PullManager::ReadMore(State& pull) {
  if (!IsWanted(pull)) return;
  // All chunks are in place. The pin keeps the object from eviction until the waiters have pinned
  // it themselves and no late chunk can be written any more; the landing gives it back.
  if (pull.chunks_left == 0) {
    const auto sealed = deps_.store.Seal(pull.id, kRaylet);
    Check(sealed.has_value(), "a landing is ours until it is sealed");
    const auto pinned = deps_.store.Get(pull.id, kRaylet);
    Check(pinned.has_value(), "a sealed object can be pinned");
    pull.landing->sealed = true;
    return Finish(pull, {});
  }
  // Several requests under way hide the round trip; too many would only queue up at the source.
  while (pull.in_flight < options_.chunks_in_flight && !pull.missing.empty()) {
    const std::uint64_t index = pull.missing.front();
    pull.missing.pop_front();
    ++pull.in_flight;
    ReadChunk(pull, index);
  }
}

void PullManager::ReadChunk(State& pull, std::uint64_t index) {
  const std::uint64_t offset = index * options_.chunk_bytes;
  const std::uint64_t size = ChunkBytes(pull, index);
  protocol::ReadChunkRequest request;
  request.set_id(std::string(pull.id.Binary()));
  request.set_offset(offset);
  request.set_size_bytes(size);
  rpc::CallOptions options;
  //! [landing]
  options.place_attachment = [weak = std::weak_ptr<Landing>(pull.landing), offset,
                              size](std::uint64_t bytes) -> Result<WritablePayload> {
    // Asked when the header of the reply has come. The pull may be over by then; if not, the write
    // shares the landing and so keeps the memory until the last byte is in.
    const auto landing = weak.lock();
    if (landing == nullptr || landing->closed) {
      return Fail(ErrorCode::kCancelled, "the pull is over");
    }
    if (bytes != size) {
      return Fail(ErrorCode::kCorrupt, "a chunk of {} bytes came as {}", size, bytes);
    }
    return WritablePayload{.keep = landing, .bytes = landing->bytes.subspan(offset, size)};
  };
  //! [landing]
  pull.client->CallRaw(
      protocol::kReadChunk, request.SerializeAsString(), std::move(options),
      alive_.Bind([this, id = pull.id, serial = pull.serial, attempt = pull.attempt, index,
                   size](const Result<rpc::RawReply>& reply) {
        State* pull = Find(id, serial);
        // Late: another source delivers by now. The bytes were the same, and are counted once.
        if (pull == nullptr || pull->attempt != attempt) return;
        if (!reply) return SourceFailed(*pull, reply.error());
        if (reply->attachment.size() != size) {
          return SourceFailed(*pull, "sent a chunk without bytes");
        }
        ChunkCame(*pull, index);
      }));
}

void PullManager::ChunkCame(State& pull, std::uint64_t index) {
  // Remembered by chunk, so that the next source need not send it again.
  --pull.in_flight;
  --pull.chunks_left;
  pull.received[index] = true;
  received_bytes_ += ChunkBytes(pull, index);
  ReadMore(pull);
}

void PullManager::Finish(State& pull, const Result<void>& result) {
  const auto over = pulls_.extract(pull.id);  // destroyed last: its landing keeps the object pinned
  State& state = *over.mapped();
  // No further write may begin; those under way still hold the landing.
  if (state.landing != nullptr) state.landing->closed = true;
  if (state.admitted) admitted_bytes_ -= state.size_bytes;
  for (PullWaiter& waiter : state.waiters) waiter.done(result);
  // Its share of `bytes_in_flight_max` is free for the pulls that wait.
  if (!stopped_) Admit();
}

void PullManager::Stop() {
  if (std::exchange(stopped_, true)) return;
  // Waiters are called one by one; each may drop others, so the map is read anew every time.
  waiting_.clear();
  while (!pulls_.empty()) {
    Finish(*pulls_.begin()->second, Fail(ErrorCode::kCancelled, "the object store is stopping"));
  }
}

}  // namespace mobula::object_store
