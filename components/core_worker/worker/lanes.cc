#include "components/core_worker/worker/lanes.h"

#include <algorithm>
#include <utility>

#include "components/base/check.h"

namespace mobula::core_worker {

void Lanes::Open(std::size_t count) {
  // Handles are addresses of places, so the row of places must never grow.
  Check(places_.empty(), "lanes are opened once");
  places_.resize(count);
  for (RunningTask& place : places_) free_.push_back(&place);
  std::ranges::reverse(free_);  // the first lane is taken first
}

TaskHandle Lanes::Sole() {
  if (running_count() != 1) return nullptr;
  return &*std::ranges::find_if(
      places_, [](const RunningTask& place) { return place.task.lease != nullptr; });
}

RunningTask& Lanes::Begin(PushedTask task, TimePoint now) {
  Check(!free_.empty(), "no more tasks run than there are lanes");
  RunningTask& place = *free_.back();
  free_.pop_back();
  // From here on what the task submits and puts is named after it.
  place.context = {.task = task.id,
                   .attempt = task.attempt,
                   .depth = task.constants->depth(),
                   .task_name = task.constants->name()};
  place.started = now;
  place.task = std::move(task);
  return place;
}

PushedTask Lanes::End(RunningTask& task) {
  Check(task.task.lease != nullptr, "only a running task ends");
  Check(task.waits == 0, "a task that ends does not wait for anything");
  // The handle is void from here on; its place belongs to the task that begins here next.
  free_.push_back(&task);
  return std::exchange(task.task, {});
}

void Lanes::SetBlocked(RunningTask& task, bool blocked) {
  task.waits += blocked ? 1 : -1;
  Check(task.waits >= 0, "a task wakes as often as it blocked");
  // A task that waits inside a wait was counted when the outer one began.
  if (task.waits == (blocked ? 1 : 0)) blocked ? ++blocked_ : --blocked_;
}

}  // namespace mobula::core_worker
