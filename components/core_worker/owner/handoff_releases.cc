#include "components/core_worker/owner/handoff_releases.h"

#include "components/protocol/worker_methods.h"

namespace mobula::core_worker {

void HandoffReleases::Add(const TaskId& task, const std::string& worker_endpoint) {
  if (waiting_.empty()) loop_.Post(alive_.Bind([this] { Send(); }));
  waiting_[worker_endpoint].add_task_ids(std::string(task.Binary()));
}

// Each batch waits for the registrations that were begun before it, and not for later ones: so a
// steady stream of results cannot put it off for ever.
void HandoffReleases::Send() {
  references_.AfterBorrowsAcknowledged(alive_.Bind([this, batch = std::exchange(waiting_, {})] {
    for (const auto& [endpoint, request] : batch) {
      peers_.Get(endpoint)->Notify(protocol::kReleaseHandoff, request);
    }
  }));
}

}  // namespace mobula::core_worker
