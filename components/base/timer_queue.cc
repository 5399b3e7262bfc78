#include "components/base/timer_queue.h"

#include <utility>

namespace mobula {

TimerQueue::TimerId TimerQueue::Add(TimePoint when, std::uint64_t order, Callback callback) {
  std::uint32_t index = 0;
  // Slots are used again, so a loop that sets and cancels timers for hours takes no more memory
  // than its most timers at one time.
  if (free_slots_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& slot = slots_[index];
  slot.callback = std::move(callback);
  slot.used = true;
  // The entry goes to the end and then up to its place, which its slot learns on the way.
  heap_.push_back({});
  Place(heap_.size() - 1, Entry{when, order, index});
  SiftUp(heap_.size() - 1);
  return (static_cast<TimerId>(slot.generation) << 32) | index;
}

bool TimerQueue::Remove(TimerId id) {
  const auto index = static_cast<std::uint32_t>(id);
  if (index >= slots_.size()) return false;
  const Slot& slot = slots_[index];
  // The timer has run or was cancelled, and its slot may belong to another by now.
  if (!slot.used || slot.generation != id >> 32) return false;
  const Callback dead = Take(slot.position);  // dies after the queue is whole again
  return true;
}

void TimerQueue::Clear() {
  // From the end, so that nothing moves. A callback that dies may add a timer: it goes, too.
  while (!heap_.empty()) const Callback dead = Take(heap_.size() - 1);
}

TimerQueue::Callback TimerQueue::PopFirst() { return Take(0); }

// A deadline leaves from any place in the heap. The last one takes its place, and may have to go up
// or down from there. The slot is free at once for another timer; its generation goes up, so that a
// handle of the old timer no longer fits.
TimerQueue::Callback TimerQueue::Take(std::size_t position) {
  const std::uint32_t index = heap_[position].slot;
  const Entry last = heap_.back();
  heap_.pop_back();
  if (position < heap_.size()) {
    Place(position, last);
    SiftUp(position);
    SiftDown(slots_[last.slot].position);
  }
  Slot& slot = slots_[index];
  slot.used = false;
  if (++slot.generation == 0) slot.generation = 1;
  free_slots_.push_back(index);
  return std::exchange(slot.callback, nullptr);
}

void TimerQueue::Place(std::size_t position, const Entry& entry) {
  heap_[position] = entry;
  slots_[entry.slot].position = static_cast<std::uint32_t>(position);
}

void TimerQueue::SiftUp(std::size_t position) {
  const Entry entry = heap_[position];
  while (position > 0) {
    const std::size_t parent = (position - 1) / 2;
    if (!Before(entry, heap_[parent])) break;
    Place(position, heap_[parent]);
    position = parent;
  }
  Place(position, entry);
}

void TimerQueue::SiftDown(std::size_t position) {
  const Entry entry = heap_[position];
  for (;;) {
    std::size_t child = 2 * position + 1;
    if (child >= heap_.size()) break;
    // The earlier of the two children goes up, so that it is before its sibling, too.
    if (child + 1 < heap_.size() && Before(heap_[child + 1], heap_[child])) ++child;
    if (!Before(heap_[child], entry)) break;
    Place(position, heap_[child]);
    position = child;
  }
  Place(position, entry);
}

}  // namespace mobula
