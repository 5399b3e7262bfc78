#include "components/object_store/shared_memory/populator.h"

#include <sys/mman.h>

#include <algorithm>

namespace mobula::object_store {
namespace {

constexpr std::uint64_t kStepBytes = 4ULL << 20;  // how long a stop waits, at most: a millisecond

}  // namespace

Populator::Populator(std::shared_ptr<Mapping> arena)
    : arena_(std::move(arena)), thread_([this](const std::stop_token& stop) { Run(stop); }) {}

Populator::~Populator() {
  thread_.request_stop();
  wanted_.fetch_add(1);  // the thread waits for the number to change
  wanted_.notify_one();
}

void Populator::FrontierAt(std::uint64_t offset) {
  // Half of the last step is still unused: no need to wake the thread for every object.
  if (offset + kAheadBytes / 2 <= wanted_.load(std::memory_order_relaxed)) return;
  wanted_.store(offset + kAheadBytes);
  wanted_.notify_one();
}

void Populator::Run(const std::stop_token& stop) {
  std::uint64_t seen = 0;
  std::uint64_t done = 0;
  while (true) {
    // The thread sleeps until the frontier has moved on by a good part of a step, or it is stopped.
    wanted_.wait(seen);
    if (stop.stop_requested()) return;
    seen = wanted_.load();
    const std::uint64_t end = std::min<std::uint64_t>(seen, arena_->bytes().size());
    // In steps, so that a stop does not wait for the whole range.
    while (done < end && !stop.stop_requested()) {
      const std::uint64_t step = std::min(kStepBytes, end - done);
      // Straight to the kernel: the arena's page bits belong to the loop's thread.
      (void)::madvise(arena_->bytes().data() + done, step, MADV_POPULATE_WRITE);
      done += step;
    }
  }
}

}  // namespace mobula::object_store
