// \edge: a helper whose header says all that a caller needs
#include "components/object_store/create_queue.h"

#include <utility>

namespace mobula::object_store {

CreateQueueOptions ReadCreateQueueOptions(ConfigReader& reader) {
  CreateQueueOptions options;
  options.create_wait_max = reader.Time("create_wait_max", options.create_wait_max);
  options.creates_waiting_max =
      reader.Integer("creates_waiting_max", options.creates_waiting_max, 0, 1'000'000);
  return options;
}

CreateQueue::CreateQueue(EventLoop& loop, ObjectStore& store, CreateQueueOptions options)
    : loop_(loop), store_(store), options_(options), timer_(loop) {
  store_.OnChange([this] { StoreChanged(); });
}

CreateQueue::~CreateQueue() { store_.OnChange(nullptr); }

void CreateQueue::Create(const Request& request, Done<StoredObject> done) {
  if (stopped_) return done(Fail(ErrorCode::kCancelled, "the object store is stopping"));
  Result<StoredObject> result;
  // While others wait, only two kinds of request are answered at once, because no waiting would
  // change their answer: an object that is here already, and one larger than the whole store.
  const bool in_line = !waiting_.empty() && !store_.ContainsSealed(request.id) &&
                       request.size_bytes <= store_.Usage().capacity_bytes;
  if (!in_line && Try(request, result) == Outcome::kDone) return done(std::move(result));
  // The queue is bounded, because each request in it keeps a task or a pull waiting.
  if (waiting_.size() >= options_.creates_waiting_max) {
    return done(Fail(ErrorCode::kStoreFull,
                     "object {} is {} and {} others wait for room already (creates_waiting_max)",
                     request.id.Short(), FormatSize(request.size_bytes), waiting_.size()));
  }
  Error reason = result ? Error(ErrorCode::kStoreFull, "others are before it in line")
                        : std::move(result.error());
  waiting_.push_back(
      {request, loop_.Now() + options_.create_wait_max, std::move(done), std::move(reason)});
  ArmTimer();
}

/// Asks the store. \return whether that is the answer, or what the request has to wait for.
CreateQueue::Outcome CreateQueue::Try(const Request& request, Result<StoredObject>& result) {
  result = store_.Create(request.id, request.size_bytes, request.kind, request.client);
  if (result) return Outcome::kDone;
  switch (result.error().code()) {
    case ErrorCode::kStoreFull:
      // Room may appear with the next release or delete, but the store never grows.
      return request.size_bytes > store_.Usage().capacity_bytes ? Outcome::kDone
                                                                : Outcome::kWaitForRoom;
    case ErrorCode::kAlreadyExists:
      // A sealed copy is the answer. An unsealed one belongs to another writer, who may die and
      // leave the id to us.
      return store_.ContainsSealed(request.id) ? Outcome::kDone : Outcome::kWaitForWriter;
    default: return Outcome::kDone;
  }
}

void CreateQueue::StoreChanged() {
  // The store calls from within its own functions, so the queue moves in a later turn of the loop.
  if (waiting_.empty() || retry_posted_) return;
  retry_posted_ = true;
  loop_.Post(alive_.Bind([this] { Retry(); }));
}

void CreateQueue::Retry() {
  retry_posted_ = false;
  bool no_room = false;  // from the first request on that needs more room than there is
  std::list<std::pair<Done<StoredObject>, Result<StoredObject>>> answers;
  for (auto it = waiting_.begin(); it != waiting_.end();) {
    Result<StoredObject> result;
    // Later requests do not overtake one that waits for room, or small objects would starve a large
    // one. A request for an object that has come by another way takes no room and is answered.
    if (no_room && !store_.ContainsSealed(it->request.id)) {
      ++it;
      continue;
    }
    const Outcome outcome = Try(it->request, result);
    if (outcome == Outcome::kDone) {
      answers.emplace_back(std::move(it->done), std::move(result));
      it = waiting_.erase(it);
      continue;
    }
    no_room = no_room || outcome == Outcome::kWaitForRoom;
    it->reason = std::move(result.error());
    ++it;
  }
  // The answers come last: a caller may create again at once, and then finds the queue in order.
  ArmTimer();
  for (auto& [done, result] : answers) done(std::move(result));
}

void CreateQueue::Expire() {
  // All requests wait equally long, so those that are late stand at the front.
  std::list<Waiting> late;
  while (!waiting_.empty() && waiting_.front().until <= loop_.Now()) {
    late.splice(late.end(), waiting_, waiting_.begin());
  }
  ArmTimer();
  if (!late.empty()) StoreChanged();  // what waited behind a large object may be small enough
  for (Waiting& waiting : late) {
    // The store's own words from the last attempt, with its numbers of that moment.
    waiting.done(Fail(
        std::move(waiting.reason)
            .Context(fmt::format("waited {} for room", FormatTime(options_.create_wait_max)))));
  }
}

void CreateQueue::ArmTimer() {
  if (waiting_.empty()) return timer_.Cancel();
  timer_.Set(std::max(Duration(0), waiting_.front().until - loop_.Now()), [this] { Expire(); });
}

void CreateQueue::DropClient(StoreClientId client) {
  // Its connection is gone, so nobody listens for an answer.
  const auto dropped = waiting_.remove_if(
      [client](const Waiting& waiting) { return waiting.request.client == client; });
  if (dropped > 0) StoreChanged();
  ArmTimer();
}

void CreateQueue::Stop() {
  stopped_ = true;
  timer_.Cancel();
  for (Waiting& waiting : std::exchange(waiting_, {})) {
    waiting.done(Fail(ErrorCode::kCancelled, "the object store is stopping"));
  }
}

}  // namespace mobula::object_store
