/// \file
/// \edge
/// \brief Fills memory ahead of its use, on a thread of its own.
///
/// The first write to a page makes the kernel find and clear it: at 4 GB/s in bulk, that is what a
/// large `Put` into a young store waits for. An optional edge thread (`populate: ahead`) stays a
/// bounded step ahead of the arena's frontier. It decides nothing and holds no lock of ours.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "components/object_store/mapping.h"

namespace mobula::object_store {

/// Threads: `FrontierAt` with the state lock; the thread inside touches page tables only.
class Populator {
 public:
  /// How far ahead of the frontier memory is filled, and so the most it takes before it is needed.
  static constexpr std::uint64_t kAheadBytes = 64ULL << 20;

  explicit Populator(std::shared_ptr<Mapping> arena);
  ~Populator();
  /// Tells where untouched memory begins. Cost: a wake-up every `kAheadBytes / 2`, else nothing.
  void FrontierAt(std::uint64_t offset);

 private:
  void Run(const std::stop_token& stop);

  const std::shared_ptr<Mapping> arena_;   // owners: this and the arena
  std::atomic<std::uint64_t> wanted_ = 0;  // fill up to here
  std::jthread thread_;
};

}  // namespace mobula::object_store
