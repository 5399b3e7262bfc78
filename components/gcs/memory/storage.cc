#include "components/gcs/memory/storage.h"

namespace mobula::gcs {

void MemoryStorage::Write(std::vector<Change> changes, Done<void> done) {
  for (Change& change : changes) {
    Table& table = tables_[change.table];
    if (change.value) {
      table.insert_or_assign(std::move(change.key), std::move(*change.value));
    } else {
      table.erase(change.key);
    }
  }
  // All is written, but callers must not count on an answer inside the call: a store on disk could
  // not give it.
  loop_.Post(alive_.Bind([done = std::move(done)]() mutable { done({}); }));
}

void MemoryStorage::Read(std::string_view table, std::string_view key,
                         Done<std::optional<std::string>> done) {
  // The value is read now and told later. What is written in between is not part of this answer.
  std::optional<std::string> value;
  if (const auto at = tables_.find(table); at != tables_.end()) {
    if (const auto it = at->second.find(key); it != at->second.end()) value = it->second;
  }
  loop_.Post(alive_.Bind(
      [value = std::move(value), done = std::move(done)]() mutable { done(std::move(value)); }));
}

template <typename Visit>
void MemoryStorage::Walk(std::string_view table, std::string_view prefix, Visit visit) const {
  const auto at = tables_.find(table);
  if (at == tables_.end()) return;
  for (auto it = at->second.lower_bound(prefix);
       it != at->second.end() && it->first.starts_with(prefix); ++it) {
    visit(it->first, it->second);
  }
}

void MemoryStorage::Scan(std::string_view table, std::string_view prefix, Done<Entries> done) {
  Entries entries;
  Walk(table, prefix, [&](auto& key, auto& value) { entries.emplace_back(key, value); });
  loop_.Post(alive_.Bind([entries = std::move(entries), done = std::move(done)]() mutable {
    done(std::move(entries));
  }));
}

void MemoryStorage::ListKeys(std::string_view table, std::string_view prefix,
                             Done<std::vector<KeySize>> done) {
  std::vector<KeySize> keys;
  Walk(table, prefix, [&](auto& key, auto& value) { keys.push_back({key, value.size()}); });
  loop_.Post(alive_.Bind(
      [keys = std::move(keys), done = std::move(done)]() mutable { done(std::move(keys)); }));
}

Result<std::unique_ptr<Storage>> MakeMemoryStorage(ConfigReader&, const Storage::Context& context) {
  return std::make_unique<MemoryStorage>(context.loop);
}

}  // namespace mobula::gcs
