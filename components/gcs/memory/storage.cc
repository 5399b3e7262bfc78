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
  loop_.Post(alive_.Bind([done = std::move(done)]() mutable { done({}); }));
}

void MemoryStorage::Read(std::string_view table, std::string_view key,
                         Done<std::optional<std::string>> done) {
  std::optional<std::string> value;
  if (const auto at = tables_.find(table); at != tables_.end()) {
    if (const auto it = at->second.find(key); it != at->second.end()) value = it->second;
  }
  loop_.Post(alive_.Bind(
      [value = std::move(value), done = std::move(done)]() mutable { done(std::move(value)); }));
}

void MemoryStorage::Scan(std::string_view table, std::string_view prefix, Done<Entries> done) {
  Entries entries;
  if (const auto at = tables_.find(table); at != tables_.end()) {
    for (auto it = at->second.lower_bound(prefix);
         it != at->second.end() && it->first.starts_with(prefix); ++it) {
      entries.emplace_back(*it);
    }
  }
  loop_.Post(alive_.Bind([entries = std::move(entries), done = std::move(done)]() mutable {
    done(std::move(entries));
  }));
}

}  // namespace mobula::gcs
