#include "components/gcs/server/death_table.h"

#include "components/protocol/gcs_convert.h"

#include <charconv>

namespace mobula::gcs {
namespace {

/// Sorts as text as it sorts as a number.
std::string KeyOf(std::uint64_t number) { return fmt::format("{:016x}", number); }

}  // namespace

Result<void> DeathTable::Load(const Storage::Entries& entries) {
  for (const auto& [key, value] : entries) {
    std::uint64_t number = 0;
    protocol::WorkerDeath death;
    const auto read = std::from_chars(key.data(), key.data() + key.size(), number, 16);
    if (read.ec != std::errc() || !death.ParseFromString(value)) {
      return Fail(ErrorCode::kCorrupt, "stored worker death {} is not a valid record", key);
    }
    workers_.insert(death.worker_id());
    deaths_.emplace(number, std::move(death));
  }
  return {};
}

bool DeathTable::Report(const protocol::WorkerDeath& death, Step& step) {
  if (!workers_.insert(death.worker_id()).second) return false;
  const std::uint64_t number = deaths_.empty() ? 1 : deaths_.rbegin()->first + 1;
  deaths_.emplace(number, death);
  step.Store(kDeathTable, KeyOf(number), protocol::Serialize(death));
  *step.delta.add_worker_deaths() = death;
  if (deaths_.size() > kept_max_) {
    const auto oldest = deaths_.begin();
    step.Erase(kDeathTable, KeyOf(oldest->first));
    workers_.erase(oldest->second.worker_id());
    deaths_.erase(oldest);
  }
  return true;
}

}  // namespace mobula::gcs
