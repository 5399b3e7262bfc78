#include "sim/program.h"

#include "components/protocol/common.pb.h"

#include <cstring>

namespace mobula::sim {

using internal::ReferencePtr;

protocol::Reference ToMessage(const internal::Reference& reference) {
  protocol::Reference message;
  message.set_id(std::string(reference.id.Binary()));
  message.set_owner(reference.owner->address);
  return message;
}

ResourceSet AmountsOf(const Plan& plan) {
  ResourceSet amounts = ToResources(plan.resources());
  // As in the runtime, a task that says nothing of CPUs asks for one.
  if (!plan.resources().contains(std::string(kCpu)))
    amounts.Set(std::string(kCpu), Amount::FromDouble(1));
  return amounts;
}

ReferencePtr Program::Borrow(const protocol::Reference& reference) {
  return core_.Borrow(ObjectId(ObjectId::FromBinaryOrNil(reference.id())), reference.owner());
}

ReferencePtr Program::Submit(const Plan& plan, const std::vector<Known>& arguments,
                             const std::vector<Known>& contained) {
  Call call;
  *call.mutable_plan() = plan;
  std::vector<internal::Argument> all(1);
  for (const Known& known : contained) {
    call.add_contained(known.id);
    *call.add_references() = ToMessage(*known.reference);
    all[0].value.references.push_back(known.reference);
  }
  for (const Known& known : arguments) {
    call.add_arguments(known.id);
    all.emplace_back().reference = known.reference;
  }
  all[0].value.document = call.SerializeAsString();
  all[0].value.size = all[0].value.document.size();
  internal::TaskOptions options;
  const ResourceSet amounts = AmountsOf(plan);
  for (const auto& [name, amount] : amounts.entries()) {
    options.resources[name] = amount.ToDouble();
  }
  // The oracle goes by the plan. With this bug planted the runtime is told less than the plan says.
  options.max_retries = world_.plant == Plant::kSkipRetryOnWorkerDeath ? 0 : plan.max_retries();
  options.name = world_.oracle.NameOf(plan.id());
  ++world_.counters.submitted;
  return core_.Submit(task_, {.module = "", .offset = 1, .name = "Run"}, std::move(all), 1,
                      options)[0];
}

Task<bool> Program::Sleep(Duration time) {
  co_return co_await AwaitCallback<bool>([this, time](auto done) {
    loop_.Schedule(time, [done = std::move(done)]() mutable { done(true); });
  });
}

Task<bool> Program::Store(ObjectId id, std::string bytes) {
  Result<WritablePayload> room = co_await AwaitCallback<WritablePayload>(
      [this, &id, &bytes](auto done) { core_.store().Create(id, bytes.size(), std::move(done)); });
  // An earlier attempt of this task has made the same object here. Its value is the same, so it is
  // enough that it is sealed before this attempt tells its result.
  if (!room && room.error().code() == ErrorCode::kAlreadyExists) {
    const Result<Payload> there = co_await AwaitCallback<Payload>([this, &id](auto done) {
      core_.store().Get(id, object_store::ObjectHint(), std::move(done));
    });
    if (!there) co_return Fail(there.error());
    co_return true;
  }
  if (!room) co_return Fail(std::move(room.error()));
  std::memcpy(room->bytes.data(), bytes.data(), bytes.size());
  room->keep.reset();
  const Result<void> sealed = co_await AwaitCallback<void>(
      [this, &id](auto done) { core_.store().Seal(id, std::move(done)); });
  if (!sealed) co_return Fail(sealed.error());
  co_return true;
}

Task<ReferencePtr> Program::Put(std::uint64_t hash, std::uint32_t padding_bytes) {
  std::string bytes = EncodeValue(hash, padding_bytes, nullptr);
  // Small values stay with their owner, large ones go to the node's store: as the runtime's API
  // does.
  const std::size_t size = bytes.size();
  if (!IsLarge(size)) {
    internal::SerializedValue value;
    value.document = std::move(bytes);
    value.size = size;
    co_return core_.PutInline(task_, std::move(value));
  }
  const ObjectId id = core_.NextPutId(task_);
  const Result<bool> stored = co_await Store(id, std::move(bytes));
  if (!stored) co_return Fail(stored.error());
  std::vector<ReferencePtr> none;
  co_return core_.FinishPut(id, size, std::move(none));
}

Task<Payload> Program::Fetch(Known wanted) {
  if (task_ != nullptr) {
    core_.SetBlocked(task_, true);
    world_.capacity.OnBlocked(core_.self());
  }
  Result<Payload> value = co_await AwaitCallback<Payload>(
      [this, &wanted](auto done) { core_.Get(wanted.reference, std::move(done)); });
  if (task_ != nullptr) core_.SetBlocked(task_, false);
  // Every outcome goes into the digest, so two runs of one seed agree on all of them or are told
  // apart.
  ++world_.counters.gets;
  const bool is_infeasible = world_.oracle.IsInfeasible(wanted.id);
  if (!value) ++(is_infeasible ? world_.counters.infeasible : world_.counters.errors);
  world_.loop.Mix(wanted.id +
                  (value ? 0ULL : static_cast<std::uint64_t>(value.error().code()) << 32U));
  const Reader reader = task_ != nullptr ? Reader::kTask : Reader::kDriver;
  if (auto wrong = world_.oracle.CheckOutcome(wanted.id, value, reader))
    world_.Violate(std::move(*wrong));
  // As in user code, an error of what is got is an exception, and ends the task that gets it.
  if (value) co_return value;
  co_return Fail(ErrorCode::kTaskFailed, "getting {}: {}", world_.oracle.NameOf(wanted.id),
                 value.error().ToString());
}

Task<std::uint64_t> Program::Weigh(std::uint32_t id, Payload bytes) {
  const Result<Value> value = DecodeValue(bytes.text());
  if (!value) {
    world_.Violate("an argument is damaged: {} {}", world_.oracle.NameOf(id),
                   value.error().message());
    co_return Fail(value.error());
  }
  // The value refers to another object. It is got too, through a reference that this process
  // borrows.
  std::uint64_t hash = value->hash();
  if (const std::uint32_t inner = world_.oracle.InnerOf(id); inner != 0 && value->has_inner()) {
    Known known;
    known.reference = Borrow(value->inner());
    known.id = inner;
    const Result<Payload> read = co_await Fetch(std::move(known));
    if (!read) co_return Fail(read.error());
    hash = Mix(hash, world_.oracle.HashOf(inner));  // `Fetch` has compared it
  }
  co_return hash;
}

Task<std::uint64_t> Program::Read(Known wanted) {
  const std::uint32_t id = wanted.id;
  Result<Payload> value = co_await Fetch(std::move(wanted));
  if (!value) co_return Fail(std::move(value.error()));
  co_return co_await Weigh(id, std::move(*value));
}

}  // namespace mobula::sim
