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

Result<void> JobTable::Load(const Stored& stored, const Past& past) {
  // The last number is read from its own key: the job that had it may have been forgotten.
  last_job_ = static_cast<std::uint32_t>(NumberIn(past, kLastJobKey));
  for (const auto& [key, bytes] : stored.records) {
    auto record = ReadRecord<Record>(*this, key, bytes);
    if (!record) return Fail(std::move(record.error()));
    const JobId id = protocol::IdOf(record->job());
    // A record under another's key would be changed and erased as the other. It is better not to
    // start.
    if (id.IsNil() || record->job().job_id() != key) {
      return Fail(ErrorCode::kCorrupt, "stored job {} has the id of another", ToHex(key));
    }
    finished_ += protocol::IsRunning(record->job()) ? 0 : 1;
    by_request_.emplace(record->request_id(), id);
    jobs_.emplace(id, std::move(*record));
  }
  return {};
}

void JobTable::ForEachRecord(const Visit& visit) const {
  ForEach(
      [&visit](const protocol::JobInfo& job) { visit(job.job_id(), protocol::Serialize(job)); });
}

Result<JobId> JobTable::Start(const protocol::StartJobRequest& request, Duration wall_now,
                              Step& step) {
  if (request.request_id().empty()) {
    return Fail(ErrorCode::kInvalidArgument, "a job was started without a request id");
  }
  // The answer to this request was lost, so its caller asks again. It gets the job that it has.
  if (const auto it = by_request_.find(request.request_id()); it != by_request_.end()) {
    return it->second;
  }
  const JobId id = JobIdOf(++last_job_);
  Record& record = jobs_[id];
  // The request is stored with the job, so that a repeated one is known after a restart, too.
  record = request;
  record.mutable_job()->set_job_id(std::string(id.Binary()));
  record.mutable_job()->set_state("RUNNING");
  record.mutable_job()->set_start_time_ms(protocol::Milliseconds(wall_now));
  by_request_.emplace(request.request_id(), id);
  // The number is stored on its own: the job may be forgotten, and its number still never returns.
  step.Store(kMetaTable, kLastJobKey, fmt::format("{}", last_job_));
  StoreChange(record, step);
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
  // The driver and the raylet of its node may both report the end; the first report counts.
  if (protocol::IsRunning(it->second.job())) End(it->second, state, message, wall_now, step);
  return {};
}

std::vector<protocol::JobInfo> JobTable::FailJobsOf(const NodeId& node, const std::string& message,
                                                    Duration wall_now, Step& step) {
  // Nobody reports the end of a driver whose whole node is gone, so the node's death ends its jobs.
  std::vector<JobId> lost;
  for (const auto& [id, record] : jobs_) {
    if (protocol::IsRunning(record.job()) && record.job().node_id() == node.Binary())
      lost.push_back(id);
  }
  std::vector<protocol::JobInfo> ended;
  for (const JobId& id : lost) {
    // Each end may forget an older job, so the jobs are found anew and not walked.
    Record& record = jobs_.at(id);
    // Copied before its end, which may forget the record.
    ended.push_back(record.job());
    End(record, "FAILED", message, wall_now, step);
  }
  return ended;
}

// May forget the oldest finished job, which can be this very one: `record` is gone then.
void JobTable::End(Record& record, const std::string& state, const std::string& message,
                   Duration wall_now, Step& step) {
  protocol::JobInfo& job = *record.mutable_job();
  job.set_state(state);
  job.set_message(message);
  job.set_end_time_ms(protocol::Milliseconds(wall_now));
  StoreChange(record, step);
  if (++finished_ <= config_.finished_jobs_kept_max) return;
  // Ids count up, so the first finished job by id is the one that began longest ago.
  const auto oldest = std::ranges::find_if(
      jobs_, [](const auto& entry) { return !protocol::IsRunning(entry.second.job()); });
  step.Erase(Name(), oldest->first.Binary());
  by_request_.erase(oldest->second.request_id());
  jobs_.erase(oldest);
  --finished_;
}

// Subscribers are told of the job alone: the request id is between its caller and this table.
void JobTable::StoreChange(const Record& record, Step& step) const {
  step.Store(Name(), record.job().job_id(), protocol::Serialize(record));
  step.Tell(channel(), record.job().job_id(), protocol::Serialize(record.job()));
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
