#include "components/gcs/server/key_value.h"

#include "components/base/config_value.h"

namespace mobula::gcs {

void KeyValue::Load(const Storage::Entries& entries) {
  for (const auto& [key, value] : entries) keys_.insert(key);
}

Result<bool> KeyValue::Put(const PutRequest& request, Step& step) {
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
  if (!keys_.insert(key).second && request.keep_existing()) return false;
  step.Store(kKeyValueTable, key, request.value());
  return true;
}

std::uint64_t KeyValue::Delete(const DeleteRequest& request, Step& step) {
  const std::string wanted = StorageKey(request.space(), request.key());
  std::uint64_t count = 0;
  auto it = keys_.lower_bound(wanted);
  while (it != keys_.end() && (request.is_prefix() ? it->starts_with(wanted) : *it == wanted)) {
    step.Erase(kKeyValueTable, *it);
    it = keys_.erase(it);
    ++count;
  }
  return count;
}

std::vector<std::string> KeyValue::Keys(std::string_view space, std::string_view prefix) const {
  const std::string wanted = StorageKey(space, prefix);
  std::vector<std::string> keys;
  for (auto it = keys_.lower_bound(wanted); it != keys_.end() && it->starts_with(wanted); ++it) {
    keys.push_back(it->substr(space.size() + 1));
  }
  return keys;
}

std::string KeyValue::StorageKey(std::string_view space, std::string_view key) {
  std::string joined(space);
  joined += '\0';
  return joined += key;
}

}  // namespace mobula::gcs
