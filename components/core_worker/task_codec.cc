#include "components/core_worker/task_codec.h"

#include <cstring>

namespace mobula::core_worker {
namespace {

constexpr char kTask = 1;
constexpr char kConstants = 2;
constexpr int kNumberBytesMax = 10;
constexpr int kHeadBytesMax = 1 + static_cast<int>(TaskId::kSize) + 3 * kNumberBytesMax;

/// A record without what may be long, put together on the stack and appended at once.
class Head {
 public:
  Head& Kind(char kind) {
    *end_++ = kind;
    return *this;
  }
  Head& Id(const TaskId& id) {
    std::memcpy(end_, id.Binary().data(), TaskId::kSize);
    end_ += TaskId::kSize;
    return *this;
  }
  Head& Number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) *end_++ = static_cast<char>(value | 0x80);
    *end_++ = static_cast<char>(value);
    return *this;
  }
  void AppendTo(std::string* batch) const {
    batch->append(bytes_, static_cast<std::size_t>(end_ - bytes_));
  }

 private:
  char bytes_[kHeadBytesMax];
  char* end_ = bytes_;
};

}  // namespace

void AppendTask(const TaskId& id, std::uint32_t attempt, std::uint32_t slot,
                std::string_view arguments, std::string* batch) {
  Head().Kind(kTask).Id(id).Number(attempt).Number(slot).Number(arguments.size()).AppendTo(batch);
  batch->append(arguments);
}

void AppendConstants(std::uint32_t slot, std::string_view message, std::string* batch) {
  Head().Kind(kConstants).Number(slot).Number(message.size()).AppendTo(batch);
  batch->append(message);
}

void AppendArgumentHead(std::size_t size, bool is_stored, std::string* arguments) {
  Head().Number(2 * size + (is_stored ? 1 : 0)).AppendTo(arguments);
}

void AppendValueHead(const TaskId& id, std::uint32_t attempt, std::uint64_t duration_ns,
                     std::size_t size, std::string* batch) {
  Head().Id(id).Number(attempt).Number(duration_ns).Number(size).AppendTo(batch);
}

bool BatchReader::Next(TaskEntry* task) {
  if (rest_.empty()) return false;
  const char kind = rest_.front();
  rest_.remove_prefix(1);
  if (kind != kTask && kind != kConstants) return Stop();
  task->is_constants = kind == kConstants;
  if (kind == kTask && (!Id(&task->id) || !Number(&task->attempt))) return false;
  return Number(&task->slot) && (task->slot < kConstantsSlots || Stop()) && Sized(&task->bytes);
}

bool BatchReader::Next(ArgumentEntry* argument) {
  std::uint64_t head = 0;
  if (rest_.empty() || !Number(UINT64_MAX, &head)) return false;
  argument->is_stored = head % 2 == 1;
  return Bytes(head / 2, &argument->bytes);
}

bool BatchReader::Next(ValueEntry* value) {
  return !rest_.empty() && Id(&value->id) && Number(&value->attempt) &&
         Number(INT64_MAX, &value->duration_ns) && Sized(&value->bytes);
}

bool BatchReader::Stop() {
  is_corrupt_ = true;
  rest_ = {};
  return false;
}

bool BatchReader::Number(std::uint64_t most, std::uint64_t* out) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kNumberBytesMax && i < rest_.size(); ++i) {
    const auto byte = static_cast<unsigned char>(rest_[i]);
    if (i == kNumberBytesMax - 1 && byte > 1) break;  // more than 64 bits
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << (7 * i);
    if (byte >= 0x80) continue;
    rest_.remove_prefix(i + 1);
    *out = value;
    return value <= most || Stop();
  }
  return Stop();
}

bool BatchReader::Number(std::uint32_t* out) {
  std::uint64_t value = 0;
  if (!Number(UINT32_MAX, &value)) return false;
  *out = static_cast<std::uint32_t>(value);
  return true;
}

bool BatchReader::Bytes(std::size_t size, std::string_view* out) {
  if (size > rest_.size()) return Stop();
  *out = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return true;
}

bool BatchReader::Sized(std::string_view* out) {
  std::uint64_t size = 0;
  return Number(UINT64_MAX, &size) && Bytes(size, out);
}

bool BatchReader::Id(TaskId* out) {
  std::string_view bytes;
  if (!Bytes(TaskId::kSize, &bytes)) return false;
  *out = TaskId::FromBinaryOrNil(bytes);
  return true;
}

}  // namespace mobula::core_worker
