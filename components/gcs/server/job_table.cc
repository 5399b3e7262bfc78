#include "components/gcs/server/job_table.h"

#include <algorithm>
#include <array>

#include "components/base/check.h"
#include "components/protocol/gcs_convert.h"

namespace mobula::gcs {
namespace {

JobId JobIdOf(std::uint32_t number) {
  const std::array<char, JobId::kSize> bytes{
      static_cast<char>(number >> 24), static_cast<char>(number >> 16),
      static_cast<char>(number >> 8), static_cast<char>(number)};
  return JobId::FromBinaryOrNil({bytes.data(), bytes.size()});
}

}  // namespace

Result<void> JobTable::Load(const Storage::Entries& entries, std::uint32_t last_job) {
  last_job_ = last_job;
  for (const auto& [key, value] : entries) {
    Record record;
    if (!record.ParseFromString(value) || record.job().job_id() != key ||
        protocol::IdOf(record.job()).IsNil()) {
      return Fail(ErrorCode::kCorrupt, "stored job {} is not a valid record", ToHex(key));
    }
    const JobId id = protocol::IdOf(record.job());
    finished_ += protocol::IsRunning(record.job()) ? 0 : 1;
    by_request_.emplace(record.request_id(), id);
    jobs_.emplace(id, std::move(record));
  }
  return {};
}

Result<JobId> JobTable::Start(const protocol::StartJobRequest& request, Duration wall_now,
                              Step& step) {
  if (request.request_id().empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a job was started without a request id");
  }
  if (const auto it = by_request_.find(request.request_id()); it != by_request_.end()) {
    return it->second;
  }
  const JobId id = JobIdOf(++last_job_);
  Record& record = jobs_[id];
  record = request;
  record.mutable_job()->set_job_id(std::string(id.Binary()));
  record.mutable_job()->set_state("RUNNING");
  record.mutable_job()->set_start_time_ms(protocol::Milliseconds(wall_now));
  by_request_.emplace(request.request_id(), id);
  step.Store(kMetaTable, kLastJobKey, fmt::format("{}", last_job_));
  step.Store(kJobTable, id.Binary(), protocol::Serialize(record));
  *step.delta.add_jobs() = record.job();
  return id;
}

Result<void> JobTable::Finish(const JobId& id, const std::string& state, const std::string& message,
                              Duration wall_now, Step& step) {
  if (state != "SUCCEEDED" && state != "FAILED") {
    return Fail(ErrorCode::kInvalidArgument, "a job ends as SUCCEEDED or FAILED, not as '{}'",
                state);
  }
  const auto it = jobs_.find(id);
  if (it == jobs_.end()) return Fail(ErrorCode::kNotFound, "no job {}", id.Hex());
  if (protocol::IsRunning(it->second.job())) End(it->second, state, message, wall_now, step);
  return {};
}

std::vector<protocol::JobInfo> JobTable::FailJobsOf(const NodeId& node, const std::string& message,
                                                    Duration wall_now, Step& step) {
  std::vector<JobId> lost;
  for (const auto& [id, record] : jobs_) {
    if (protocol::IsRunning(record.job()) && record.job().node_id() == node.Binary())
      lost.push_back(id);
  }
  std::vector<protocol::JobInfo> ended;
  for (const JobId& id : lost) {
    Record& record = jobs_.at(id);
    ended.push_back(record.job());
    End(record, "FAILED", message, wall_now, step);
  }
  return ended;
}

/// May forget the oldest finished job, which can be this very one.
void JobTable::End(Record& record, const std::string& state, const std::string& message,
                   Duration wall_now, Step& step) {
  protocol::JobInfo& job = *record.mutable_job();
  job.set_state(state);
  job.set_message(message);
  job.set_end_time_ms(protocol::Milliseconds(wall_now));
  step.Store(kJobTable, job.job_id(), protocol::Serialize(record));
  *step.delta.add_jobs() = job;
  if (++finished_ <= config_.finished_jobs_kept_max) return;
  const auto oldest = std::ranges::find_if(
      jobs_, [](const auto& entry) { return !protocol::IsRunning(entry.second.job()); });
  step.Erase(kJobTable, oldest->first.Binary());
  by_request_.erase(oldest->second.request_id());
  jobs_.erase(oldest);
  --finished_;
}

void JobTable::CheckInvariants() const {
  std::size_t finished = 0;
  for (const auto& [id, record] : jobs_) {
    Check(id == protocol::IdOf(record.job()), "a job is filed under its own id");
    Check(id <= JobIdOf(last_job_), "no job number was given out of turn");
    finished += protocol::IsRunning(record.job()) ? 0 : 1;
  }
  Check(finished == finished_, "the finished jobs are counted");
  Check(finished <= config_.finished_jobs_kept_max, "no more jobs are kept than configured");
  Check(by_request_.size() == jobs_.size(), "every job has its own request id");
}

}  // namespace mobula::gcs
