/// \file
/// \brief The last worker deaths, so that a subscriber who was away misses none of them.
#pragma once

#include <map>
#include <set>
#include <string>

#include "components/gcs/server/step.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

/// Keeps `kept_max` deaths in the order reported; each worker dies once. Threads: one.
class DeathTable {
 public:
  explicit DeathTable(std::size_t kept_max) : kept_max_(kept_max) {}

  /// Takes what an earlier GCS stored. kCorrupt.
  [[nodiscard]] Result<void> Load(const Storage::Entries& entries);
  /// \return false if this worker's death is known. \pre the worker id is not empty.
  bool Report(const protocol::WorkerDeath& death, Step& step);

  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [number, death] : deaths_) visit(death);
  }

 private:
  std::size_t kept_max_;
  std::map<std::uint64_t, protocol::WorkerDeath> deaths_;
  std::set<std::string, std::less<>> workers_;
};

}  // namespace mobula::gcs
