#include "components/gcs/server/death_table.h"

#include <charconv>

#include "components/base/check.h"
#include "components/protocol/gcs_convert.h"

namespace mobula::gcs {
namespace {

/// Sorts as text as it sorts as a number.
std::string KeyOf(std::uint64_t number) { return fmt::format("{:016x}", number); }

}  // namespace

Result<void> DeathTable::Load(const Stored& stored, const Past&) {
  for (const auto& [key, bytes] : stored.records) {
    auto death = ReadRecord<protocol::WorkerDeath>(*this, key, bytes);
    if (!death) return Fail(std::move(death.error()));
    std::uint64_t number = 0;
    if (std::from_chars(key.data(), key.data() + key.size(), number, 16).ec != std::errc()) {
      return Fail(ErrorCode::kCorrupt, "stored worker death {} has no number", ToHex(key));
    }
    workers_.insert(death->worker_id());
    deaths_.emplace(number, std::move(*death));
  }
  return {};
}

bool DeathTable::Report(const protocol::WorkerDeath& death, Step& step) {
  // The raylet repeats a report whose answer was lost, and a driver's death is also concluded from
  // that of its node. A worker dies once.
  if (!workers_.insert(death.worker_id()).second) return false;
  const std::uint64_t number = deaths_.empty() ? 1 : deaths_.rbegin()->first + 1;
  deaths_.emplace(number, death);
  const std::string bytes = protocol::Serialize(death);
  step.Store(Name(), KeyOf(number), bytes);
  step.Tell(channel(), death.worker_id(), bytes);
  // Deaths are events, kept for subscribers who were away. One who was away for longer than this
  // many of them learns of the death when it next calls the worker.
  if (deaths_.size() > kept_max_) {
    const auto oldest = deaths_.begin();
    step.Erase(Name(), KeyOf(oldest->first));
    workers_.erase(oldest->second.worker_id());
    deaths_.erase(oldest);
  }
  return true;
}

void DeathTable::ForEachRecord(const Visit& visit) const {
  for (const auto& [number, death] : deaths_) visit(death.worker_id(), protocol::Serialize(death));
}

void DeathTable::CheckInvariants() const {
  Check(workers_.size() == deaths_.size(), "every death is that of another worker");
  Check(deaths_.size() <= kept_max_, "no more deaths are kept than configured");
}

}  // namespace mobula::gcs
