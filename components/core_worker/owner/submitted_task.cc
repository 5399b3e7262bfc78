// \edge: takes messages apart and calls what the chapter explains
#include "components/core_worker/owner/submitted_task.h"

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
  holds.push_back(std::move(reference));
}

std::string TaskArguments::Encode() const {
  std::string all;
  all.reserve(values.size() + inline_bytes);
  std::size_t copied = 0;
  for (const ByReference& argument : references) {
    all.append(values, copied, argument.place - copied);
    copied = argument.place;
    const std::string message =
        argument.value ? std::string() : argument.stored.SerializeAsString();
    const std::string_view bytes = argument.value ? argument.value->text() : message;
    AppendArgumentHead(bytes.size(), !argument.value, &all);
    all.append(bytes);
  }
  all.append(values, copied);
  return all;
}

}  // namespace mobula::core_worker
