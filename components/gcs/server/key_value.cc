#include "components/gcs/server/key_value.h"

#include "components/base/check.h"
#include "components/base/config_value.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

Result<void> KeyValue::Load(const Stored& stored, const Past&) {
  // Sizes are enough to know the keys and to keep the bound; the values stay where they are.
  for (const auto& [key, bytes] : stored.sizes) {
    sizes_.emplace(key, bytes);
    values_bytes_ += bytes;
  }
  return {};
}

Result<bool> KeyValue::Put(const protocol::PutValueRequest& request, Step& step) {
  // Space and key are stored as one name, divided by a zero byte. An empty key would name the
  // space.
  if (request.key().empty() || request.space().find('\0') != std::string::npos) {
    return Fail(ErrorCode::kInvalidArgument,
                "a key must not be empty and a space holds no zero byte; space '{}' key '{}'",
                request.space(), request.key());
  }
  if (request.value().size() > value_bytes_max_) {
    return Fail(ErrorCode::kResourceExhausted, "the value of '{}' has {}; at most {} are stored",
                request.key(), FormatSize(request.value().size()), FormatSize(value_bytes_max_));
  }
  std::string key = StorageKey(request.space(), request.key());
  const auto known = sizes_.find(key);
  // The first writer wins. Its value stands in the storage, where the caller compares it with this
  // one.
  if (known != sizes_.end() && request.keep_existing()) return false;
  // The value in this place goes when the new one comes, so only the difference counts.
  const std::size_t before = known == sizes_.end() ? 0 : known->second;
  const std::uint64_t after = values_bytes_ - before + request.value().size();
  if (after > values_bytes_max_) {
    return Fail(ErrorCode::kResourceExhausted,
                "with the value of '{}' of space '{}' the cluster would store {}; allowed are {}",
                request.key(), request.space(), FormatSize(after), FormatSize(values_bytes_max_));
  }
  values_bytes_ = after;
  sizes_[key] = request.value().size();
  step.Store(Name(), key, request.value());
  return true;
}

std::uint64_t KeyValue::Delete(const protocol::DeleteValuesRequest& request, Step& step) {
  const std::string wanted = StorageKey(request.space(), request.key());
  std::uint64_t count = 0;
  // Names are sorted, so all that begin with a prefix stand in a row, beginning here.
  auto it = sizes_.lower_bound(wanted);
  while (it != sizes_.end() &&
         (request.is_prefix() ? it->first.starts_with(wanted) : it->first == wanted)) {
    step.Erase(Name(), it->first);
    values_bytes_ -= it->second;
    it = sizes_.erase(it);
    ++count;
  }
  return count;
}

std::vector<std::string> KeyValue::Keys(std::string_view space, std::string_view prefix) const {
  const std::string wanted = StorageKey(space, prefix);
  std::vector<std::string> keys;
  for (auto it = sizes_.lower_bound(wanted); it != sizes_.end() && it->first.starts_with(wanted);
       ++it) {
    keys.push_back(it->first.substr(space.size() + 1));
  }
  return keys;
}

void KeyValue::CheckInvariants() const {
  std::uint64_t bytes = 0;
  for (const auto& [key, size] : sizes_) bytes += size;
  Check(bytes == values_bytes_, "the bytes of all values are counted");
}

// A space holds no zero byte, so where one space ends and its keys begin is never in doubt.
std::string KeyValue::StorageKey(std::string_view space, std::string_view key) {
  std::string joined(space);
  joined += '\0';
  return joined += key;
}

}  // namespace mobula::gcs
