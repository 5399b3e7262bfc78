/// \file
/// \edge
/// \brief What simulated programs do with a core worker: submit, put, and get and compare.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "components/base/task.h"
#include "components/core_worker/core_worker.h"
#include "components/protocol/common.pb.h"
#include "sim/world.h"

namespace mobula::sim {

/// A value together with what it is by the oracle's book.
struct Known {
  internal::ReferencePtr reference;
  std::uint32_t id = 0;
};

/// The user's view of one process, with coroutines in place of blocked threads.
///
/// Threads: one. Lifetime: world and loop outlive it; coroutines belong to the caller's group.
class Program {
 public:
  /// \param task in whose name it acts, and which gives its CPU back to wait; null: a driver.
  Program(World& world, EventLoop& loop, core_worker::CoreWorker& core,
          core_worker::TaskHandle task)
      : world_(world), loop_(loop), core_(core), task_(task) {}

  [[nodiscard]] internal::ReferencePtr Submit(const Plan& plan, const std::vector<Known>& arguments,
                                              const std::vector<Known>& contained);
  /// Waits for the store if the value is large.
  Task<internal::ReferencePtr> Put(std::uint64_t hash, std::uint32_t padding_bytes);
  /// Writes an object into the store; one that is there already will do.
  Task<bool> Store(ObjectId id, std::string bytes);
  /// Gets a value, tells the oracle, and gets what the value refers to as well.
  /// \return what the value adds to the hash of a task. kTaskFailed around any error, as user code
  ///         that does not catch would make of it.
  Task<std::uint64_t> Read(Known wanted);
  /// The same for a value that is here.
  Task<std::uint64_t> Weigh(std::uint32_t id, Payload bytes);
  Task<bool> Sleep(Duration time);

  [[nodiscard]] internal::ReferencePtr Borrow(const protocol::Reference& reference);
  [[nodiscard]] bool IsLarge(std::size_t bytes) const {
    return bytes > static_cast<std::size_t>(world_.options.inline_bytes_max);
  }

 private:
  Task<Payload> Fetch(Known wanted);

  World& world_;
  EventLoop& loop_;
  core_worker::CoreWorker& core_;
  const core_worker::TaskHandle task_;
};

/// \return what the runtime is asked for a task of this plan.
[[nodiscard]] ResourceSet AmountsOf(const Plan& plan);

/// The wire form of a reference, to put into a value.
[[nodiscard]] protocol::Reference ToMessage(const internal::Reference& reference);

}  // namespace mobula::sim
