/// \file
/// \edge
/// \brief The last worker deaths, so that a subscriber who was away misses none of them.
#pragma once

#include <map>
#include <set>
#include <string>

#include "components/gcs/server/table.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

/// Keeps `kept_max` deaths in the order reported; each worker dies once. Threads: one.
class DeathTable final : public Table {
 public:
  explicit DeathTable(std::size_t kept_max) : kept_max_(kept_max) {}

  [[nodiscard]] std::string_view Name() const override { return "worker_deaths"; }
  [[nodiscard]] protocol::Channel channel() const override { return protocol::WORKERS; }
  [[nodiscard]] Loads loads() const override { return Loads::kRecords; }
  [[nodiscard]] Result<void> Load(const Stored& stored, const Past& past) override;
  void ForEachRecord(const Visit& visit) const override;
  void CheckInvariants() const override;

  /// \return false if this worker's death is known. \pre the worker id is not empty.
  bool Report(const protocol::WorkerDeath& death, Step& step);

 private:
  std::size_t kept_max_;
  std::map<std::uint64_t, protocol::WorkerDeath> deaths_;
  std::set<std::string, std::less<>> workers_;
};

}  // namespace mobula::gcs
