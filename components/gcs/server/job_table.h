/// \file
/// \edge
/// \brief One record per driver's run. A plain state machine.
///
///     Start ─► RUNNING ──Finish──► SUCCEEDED | FAILED        the first end counts
///                  └──its node dies──► FAILED
#pragma once

#include <map>
#include <string>
#include <vector>

#include "components/gcs/server.h"
#include "components/gcs/server/table.h"
#include "components/protocol/gcs.pb.h"

namespace mobula::gcs {

/// Threads: one. Wall time is a parameter, for people only.
class JobTable final : public Table {
 public:
  explicit JobTable(const ServerConfig& config) : config_(config) {}

  [[nodiscard]] std::string_view Name() const override { return "jobs"; }
  [[nodiscard]] protocol::Channel channel() const override { return protocol::JOBS; }
  [[nodiscard]] Loads loads() const override { return Loads::kRecords; }
  /// Jobs that ran when the last GCS ended run still.
  [[nodiscard]] Result<void> Load(const Stored& stored, const Past& past) override;
  void ForEachRecord(const Visit& visit) const override;

  /// Assigns the id: numbers from 1, never used twice. A request id seen before gives the job it
  /// gave then. \return kInvalidArgument without a request id.
  [[nodiscard]] Result<JobId> Start(const protocol::StartJobRequest& request, Duration wall_now,
                                    Step& step);
  /// Ends a job; one that has ended stays as it is. \return kNotFound; kInvalidArgument unless
  /// `state` is SUCCEEDED or FAILED.
  [[nodiscard]] Result<void> Finish(const JobId& id, const std::string& state,
                                    const std::string& message, Duration wall_now, Step& step);
  /// Fails the running jobs whose driver was on `node`. \return them, ended.
  std::vector<protocol::JobInfo> FailJobsOf(const NodeId& node, const std::string& message,
                                            Duration wall_now, Step& step);

  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const auto& [id, record] : jobs_) visit(record.job());
  }
  void CheckInvariants() const override;

 private:
  using Record = protocol::StartJobRequest;  // stored: the job, and the request that made it
  void StoreChange(const Record& record, Step& step) const;
  void End(Record& record, const std::string& state, const std::string& message, Duration wall_now,
           Step& step);

  const ServerConfig& config_;
  std::map<JobId, Record> jobs_;  // ids count up in big-endian bytes, so this is their order
  std::map<std::string, JobId> by_request_;
  std::size_t finished_ = 0;
  std::uint32_t last_job_ = 0;
};

/// Under this key of the meta table stands the highest job number given, in decimal.
inline constexpr char kLastJobKey[] = "last_job";

}  // namespace mobula::gcs
