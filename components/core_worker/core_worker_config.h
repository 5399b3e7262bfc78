/// \file
/// \edge
/// \brief The named bounds and times of drivers and workers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "components/base/event_loop.h"

namespace mobula::core_worker {

/// Named bounds and times.
struct CoreWorkerConfig {
  std::uint64_t inline_bytes_max = 100 * 1024;            ///< Larger values go to the store
  std::size_t lease_requests_max = 16;                    ///< Unanswered per scheduling key.
  std::size_t pipeline_tasks_max = 256;                   ///< Pushed and unfinished per lease.
  Duration pipeline_time = std::chrono::milliseconds(1);  ///< Work to keep queued at a worker.
  Duration lease_idle_max = std::chrono::seconds(1);      ///< Then an idle lease is returned.
  std::uint64_t lineage_bytes_max = 1ULL << 30;           ///< Beyond: oldest lineage is forgotten.
  std::uint32_t reconstructions_max = 10;                 ///< Per task, then kObjectLost.
};

}  // namespace mobula::core_worker
