#include "components/object_store/client/mapped_store_client.h"

#include "components/object_store/client/calls.h"

namespace mobula::object_store {

namespace {

// About five milliseconds each: fresh pages must be found and cleared (4 GB/s), pages that exist
// only be entered into the page table (50 GB/s).
constexpr std::uint64_t kWriteStepBytes = 16ULL << 20;
constexpr std::uint64_t kReadStepBytes = 256ULL << 20;

}  // namespace

MappedStoreClient::MappedStoreClient(EventLoop& loop, rpc::Client& raylet,
                                     std::shared_ptr<Mapping> read, std::shared_ptr<Mapping> write)
    : loop_(loop), raylet_(raylet), read_(std::move(read)), write_(std::move(write)), gets_(loop) {
  dropped_ = std::make_shared<BatchedReleases>(
      loop, alive_.Bind([this](const std::vector<ObjectId>& ids) { ReleaseAll(ids); }));
}

MappedStoreClient::~MappedStoreClient() { dropped_->Stop(); }

void MappedStoreClient::Create(const ObjectId& id, std::uint64_t size_bytes,
                               Done<WritablePayload> done) {
  CallCreate(raylet_, id, size_bytes,
             alive_.Bind([this, id, size_bytes, done = std::move(done)](
                             const Result<protocol::CreateObjectReply>& reply) mutable {
               if (!reply) return done(Fail(reply.error()));
               // The pages are filled before the caller writes: in bulk, and in steps that leave
               // the loop time for others.
               const auto range = CheckRange(id, reply->arena_offset(), size_bytes);
               if (!range) return done(Fail(range.error()));
               const auto bytes = write_->bytes().subspan(range->begin, size_bytes);
               Populate(*write_, *range, kWriteStepBytes,
                        [this, bytes, done = std::move(done)]() mutable {
                          done(WritablePayload{.keep = write_, .bytes = bytes});
                        });
             }));
}

void MappedStoreClient::Seal(const ObjectId& id, Done<void> done) {
  CallSeal(raylet_, id, {}, alive_.Bind(std::move(done)));
}

void MappedStoreClient::Abort(const ObjectId& id) { NotifyAbort(raylet_, id); }

void MappedStoreClient::Get(const ObjectId& id, const ObjectHint& hint, Done<Payload> done) {
  if (!gets_.Join(id, std::move(done))) return;
  auto come = alive_.Bind([this, id](Result<protocol::GetObjectReply> reply) {
    if (!reply) return gets_.Finish(id, Fail(std::move(reply.error())));
    const auto range = CheckRange(id, reply->arena_offset(), reply->size_bytes());
    if (!range) return gets_.Finish(id, Fail(range.error()));
    // The pin is ours since the raylet answered. From here on the view gives it back, whatever
    // happens to the callers.
    Payload view(dropped_->MakePin(id, read_),
                 read_->bytes().subspan(range->begin, reply->size_bytes()));
    Populate(*read_, *range, kReadStepBytes,
             [this, id, view = std::move(view)] { gets_.Finish(id, view); });
  });
  raylet_.Call(protocol::kGetObject, MakeGetRequest(id, hint), std::move(come),
               {.timeout = kNoDeadline});
}

Result<MappedStoreClient::Range> MappedStoreClient::CheckRange(const ObjectId& id,
                                                               std::uint64_t offset,
                                                               std::uint64_t size) const {
  // The raylet is trusted, but a range outside of the mapping would crash this process far from
  // here.
  const std::uint64_t arena = read_->bytes().size();
  if (offset > arena || size > arena - offset) {
    return Fail(ErrorCode::kCorrupt, "object {} is said to be at {}+{} of an arena of {} bytes",
                id.Short(), offset, size, arena);
  }
  return Range{offset, offset + size};
}

void MappedStoreClient::Populate(Mapping& mapping, Range range, std::uint64_t step_bytes,
                                 Ready ready) {
  // One step, then the loop runs what else is ready. Warm memory is done in the first step.
  const std::uint64_t at = mapping.Populate(range.begin, range.end, step_bytes);
  if (at >= range.end) return ready();
  loop_.Post(alive_.Bind([this, &mapping, rest = Range{at, range.end}, step_bytes,
                          ready = std::move(ready)]() mutable {
    Populate(mapping, rest, step_bytes, std::move(ready));
  }));
}

void MappedStoreClient::ReleaseAll(const std::vector<ObjectId>& ids) {
  protocol::ReleaseObjectsRequest request;
  for (const ObjectId& id : ids) {
    gets_.Forget(id);
    request.add_ids(std::string(id.Binary()));
  }
  raylet_.Notify(protocol::kReleaseObjects, request);
}

}  // namespace mobula::object_store
