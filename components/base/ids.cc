// \edge: a helper whose header says all that a caller needs
#include "components/base/ids.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace mobula {
namespace {

constexpr std::uint32_t kPutBit = 0x8000'0000U;

ObjectId Compose(const TaskId& task, std::uint32_t index) {
  std::array<char, ObjectId::kSize> binary;
  char* end = std::ranges::copy(task.Binary(), binary.data()).out;
  for (int shift = 24; shift >= 0; shift -= 8) *end++ = static_cast<char>(index >> shift);
  return ObjectId(ObjectId::FromBinaryOrNil({binary.data(), binary.size()}));
}

TaskId HashOf(std::string_view bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return TaskId::FromBinaryOrNil(
      {reinterpret_cast<const char*>(canonical.digest), sizeof canonical.digest});
}

}  // namespace

std::string ToHex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    hex.push_back(kDigits[byte >> 4]);
    hex.push_back(kDigits[byte & 15]);
  }
  return hex;
}

Result<std::string> FromHex(std::string_view hex) {
  if (hex.size() % 2 != 0) {
    return Fail(ErrorCode::kInvalidArgument, "'{}' has an odd number of hex digits", hex);
  }
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (const char* pair = hex.data(); pair != hex.data() + hex.size(); pair += 2) {
    std::uint8_t byte = 0;
    if (std::from_chars(pair, pair + 2, byte, 16).ptr != pair + 2) {
      return Fail(ErrorCode::kInvalidArgument, "'{}' is not hex", hex);
    }
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

ObjectId ObjectId::OfTask(const TaskId& task, std::uint32_t index) { return Compose(task, index); }

ObjectId ObjectId::OfPut(const TaskId& task, std::uint32_t index) {
  return Compose(task, index | kPutBit);
}

TaskId ObjectId::Task() const { return TaskId::FromBinaryOrNil(Binary().substr(0, TaskId::kSize)); }

bool ObjectId::IsPut() const {
  return (static_cast<std::uint8_t>(Binary()[TaskId::kSize]) & 0x80U) != 0;
}

TaskId ChildTaskId(const TaskId& parent, std::uint64_t index) {
  std::array<char, TaskId::kSize + sizeof index> bytes;
  char* end = std::ranges::copy(parent.Binary(), bytes.data()).out;
  for (int shift = 0; shift < 64; shift += 8) *end++ = static_cast<char>(index >> shift);
  return HashOf({bytes.data(), bytes.size()});
}

TaskId DriverTaskId(const JobId& job, const WorkerId& driver) {
  std::string bytes(job.Binary());
  bytes.append(driver.Binary());
  return HashOf(bytes);
}

}  // namespace mobula
