/// \file
/// \edge
/// \brief Turns snapshots and deltas into changes: each one reported once, nothing else.
///
/// A subscriber that reconnects gets a whole snapshot, yet wants to hear only what is new: records
/// that differ from those it knows, and the end of those that are gone. Plain and synchronous.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "components/protocol/gcs.pb.h"
#include "components/protocol/gcs_convert.h"

namespace mobula::gcs {

/// What a follower asks of a record: its key, whether it is over for good, whether `next` says
/// anything beyond `known`, and what to report of one that vanished.
[[nodiscard]] inline const std::string& KeyOf(const protocol::NodeInfo& node) {
  return node.node_id();
}
[[nodiscard]] inline const std::string& KeyOf(const protocol::JobInfo& job) { return job.job_id(); }
[[nodiscard]] inline bool IsOver(const protocol::NodeInfo& node) {
  return !protocol::IsAlive(node);
}
[[nodiscard]] inline bool IsOver(const protocol::JobInfo& job) { return !protocol::IsRunning(job); }
[[nodiscard]] inline bool IsNews(const protocol::NodeInfo& known, const protocol::NodeInfo& next) {
  return next.version() > known.version() && !protocol::SameFacts(known, next);
}
[[nodiscard]] inline bool IsNews(const protocol::JobInfo& known, const protocol::JobInfo& next) {
  return protocol::Serialize(known) != protocol::Serialize(next);
}
inline void MarkLost(protocol::NodeInfo& node) {
  node.set_state(protocol::DEAD);
  node.set_death_reason("the GCS does not know it any more");
}
inline void MarkLost(protocol::JobInfo& job) {
  job.set_state("FAILED");
  job.set_message("the GCS does not know it any more");
}

/// Knows the newest record of everything that is not over. Threads: one. `report` may stop its
/// owner but not destroy it.
template <typename Record>
class Follower {
 public:
  using Report = std::function<void(const Record&)>;

  /// All there is. The first snapshot is reported whole; of a later one what is new, and the end of
  /// what we knew. A record that began and ended while we were away is not reported.
  template <typename Records>
  void Snapshot(const Records& records, const Report& report) {
    std::map<std::string, Record> gone = known_;
    for (const Record& record : records) {
      const bool was_known = gone.erase(KeyOf(record)) > 0;
      if (!first_ && !was_known && IsOver(record)) continue;
      Apply(record, report);
    }
    first_ = false;
    for (auto& [key, record] : gone) {
      MarkLost(record);
      known_.erase(key);
      if (report) report(record);
    }
  }

  /// One record of a delta.
  void Apply(const Record& record, const Report& report) {
    const auto it = known_.find(KeyOf(record));
    const bool is_news = it == known_.end() || IsNews(it->second, record);
    if (IsOver(record)) {
      known_.erase(KeyOf(record));
    } else if (it == known_.end()) {
      known_.emplace(KeyOf(record), record);
    } else if (is_news) {
      it->second = record;
    }
    if (is_news && report) report(record);
  }

 private:
  std::map<std::string, Record> known_;
  bool first_ = true;
};

/// The same for worker deaths, which are events: those of the first snapshot are old news.
class DeathFollower {
 public:
  static constexpr std::size_t kKnownMax = 5000;  ///< More than a server keeps and tells again.
  using Report = std::function<void(const protocol::WorkerDeath&)>;

  template <typename Deaths>
  void Snapshot(const Deaths& deaths, const Report& report) {
    for (const protocol::WorkerDeath& death : deaths) Apply(death, first_ ? nullptr : report);
    first_ = false;
  }
  void Apply(const protocol::WorkerDeath& death, const Report& report) {
    if (!known_.insert(death.worker_id()).second) return;
    by_age_.push_back(death.worker_id());
    if (by_age_.size() > kKnownMax) {
      known_.erase(by_age_.front());
      by_age_.pop_front();
    }
    if (report) report(death);
  }

 private:
  std::set<std::string> known_;
  std::deque<std::string> by_age_;
  bool first_ = true;
};

}  // namespace mobula::gcs
