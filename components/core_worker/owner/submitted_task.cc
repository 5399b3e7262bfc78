// \edge: takes messages apart and calls what the chapter explains
#include "components/core_worker/owner/submitted_task.h"

#include "components/core_worker/owner/status_codec.h"
#include "components/core_worker/task_codec.h"
#include "components/protocol/common.pb.h"

namespace mobula::core_worker {

std::span<std::byte> TaskArguments::AddValue(std::size_t size) {
  ++count;
  AppendArgumentHead(size, false, &values);
  inline_bytes += size;
  values.resize(values.size() + size);
  return std::as_writable_bytes(std::span(values)).last(size);
}

void TaskArguments::AddReference(internal::ReferencePtr reference) {
  ++count;
  ByReference& argument = references.emplace_back();
  argument.place = values.size();
  protocol::Reference* message = argument.stored.mutable_reference();
  message->set_id(std::string(reference->id.Binary()));
  message->set_owner(reference->owner->address);
  // Held with the arguments, so that the object is not freed before the last attempt has ended.
  holds.push_back(std::move(reference));
}

void TaskArguments::SetState(std::size_t index, const ObjectState& state) {
  ByReference& argument = references[index];
  argument.stored.clear_hint();
  // A large value stays where it is: the worker's node pulls it from a place named here.
  if (const auto* in_store = std::get_if<InStore>(&state)) {
    *argument.stored.mutable_hint() = ToMessage(*in_store);
    return;
  }
  const auto& known = std::get<Payload>(state);
  // A small value travels with the task, unless it is one of too many: then the worker asks us.
  if (inline_bytes + known.size() > kInlineBytesPerMessage) return;
  inline_bytes += known.size();
  argument.value = known;
}

void TaskArguments::ForgetValues() {
  for (ByReference& argument : references) {
    if (argument.value) inline_bytes -= argument.value->size();
    argument.value.reset();
  }
}

std::string TaskArguments::Encode() const {
  std::string all;
  all.reserve(values.size() + inline_bytes);
  std::size_t copied = 0;
  for (const ByReference& argument : references) {
    // Arguments by value lie one after the other in `values`; this one was given between two of
    // them.
    all.append(values, copied, argument.place - copied);
    copied = argument.place;
    const std::string message =
        argument.value ? std::string() : argument.stored.SerializeAsString();
    // The worker gets the value itself if we have it at hand, and else where it is and whose.
    const std::string_view bytes = argument.value ? argument.value->text() : message;
    AppendArgumentHead(bytes.size(), !argument.value, &all);
    all.append(bytes);
  }
  all.append(values, copied);
  return all;
}

}  // namespace mobula::core_worker
