// \edge: a bounded list behind its header
#include "components/raylet/worker_deaths.h"

#include <algorithm>

namespace mobula::raylet {

void WorkerDeaths::Record(const protocol::WorkerDeath& death) {
  // An owner may ask long after the end: it notices a lost connection late if its host is busy.
  deaths_.push_front(death);
  if (deaths_.size() > kKeptMax) deaths_.pop_back();
  const auto waiting = waiting_.extract(WorkerId::FromBinaryOrNil(death.worker_id()));
  if (waiting.empty()) return;
  for (OnDeath& done : waiting.mapped()) done(death);
}

const protocol::WorkerDeath* WorkerDeaths::Find(const WorkerId& worker) const {
  const auto it = std::ranges::find_if(deaths_, [&](const protocol::WorkerDeath& death) {
    return death.worker_id() == worker.Binary();
  });
  return it == deaths_.end() ? nullptr : &*it;
}

}  // namespace mobula::raylet
