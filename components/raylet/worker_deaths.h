/// \file
/// \edge
/// \brief How workers and drivers of this node ended, remembered for a while for those who ask.
///
/// An owner that has lost its connection to a worker asks how it ended: the exit status or signal,
/// never a guess. It may ask before the end or after it, so ends are remembered, and questions too.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <optional>
#include <vector>

#include "components/base/ids.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::raylet {

/// Threads: the state lock. Bounds: the last `kKeptMax` ends are remembered.
class WorkerDeaths {
 public:
  using OnDeath = std::move_only_function<void(std::optional<protocol::WorkerDeath>)>;
  static constexpr std::size_t kKeptMax = 1000;

  /// Remembers an end and answers those who wait for it.
  void Record(const protocol::WorkerDeath& death);
  /// \return null if it has not ended here, or was forgotten since.
  [[nodiscard]] const protocol::WorkerDeath* Find(const WorkerId& worker) const;
  /// Calls back when it ends. \pre it is alive.
  void Await(const WorkerId& worker, OnDeath done) { waiting_[worker].push_back(std::move(done)); }
  /// Forgets those who wait, without an answer.
  void Stop() { waiting_.clear(); }

 private:
  std::list<protocol::WorkerDeath> deaths_;  // newest first
  std::map<WorkerId, std::vector<OnDeath>> waiting_;
};

}  // namespace mobula::raylet
