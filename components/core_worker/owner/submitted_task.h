/// \file
/// \brief A submitted task, as the task table and what sends it share it.
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "components/base/ids.h"
#include "components/base/payload.h"
#include "components/core_worker/owner/object_state.h"
#include "components/protocol/worker.pb.h"
#include "mobula/internal/runtime.h"

namespace mobula::core_worker {

struct SchedulingGroup;
class TaskSender;

/// What is the same for all tasks of one function, options and depth: kept once, and sent once per
/// lease. Threads: the state lock, for the count of owners too.
struct TaskKind final : boost::intrusive_ref_counter<TaskKind, boost::thread_unsafe_counter> {
  std::uint64_t number = 0;  ///< Of this process, from 1; never given twice.
  internal::FunctionKey function;
  internal::TaskOptions options;
  std::uint32_t result_count = 0;
  std::uint32_t depth = 0;
  std::string name;
  std::string message;                     ///< A `TaskConstants`, encoded.
  TaskSender* sender = nullptr;            ///< What brings such tasks to a worker; outlives them.
  std::shared_ptr<SchedulingGroup> group;  // owners: kinds and the lease pool

  /// May not begin twice: such a task has a worker to itself.
  [[nodiscard]] bool runs_once() const { return options.max_retries == 0; }
};
using TaskKindPtr = boost::intrusive_ptr<const TaskKind>;  // owners: tasks, the last kinds used

/// The arguments of a task that has any.
struct TaskArguments {
  /// One that was given by reference.
  struct ByReference {
    std::size_t place = 0;            ///< Before which byte of `values` it belongs.
    protocol::StoredArgument stored;  ///< With the latest hint.
    /// Instead, if its value is inline: a thousand queued tasks share one.
    std::optional<Payload> value;
    WatchId watch = 0;  ///< Set while it is not known.
  };
  std::size_t count = 0;
  std::string values;  ///< Those given by value, as task_codec.h writes them.
  std::size_t inline_bytes = 0;
  std::vector<ByReference> references;
  /// Arguments and what they contain. As lineage only what has no bytes in the store: inline
  /// values, and references inside arguments to what was not there yet when the task ended.
  std::vector<internal::ReferencePtr> holds;
  std::map<ObjectId, OwnerPtr> lineage_of;  ///< All others: held again when this is made again.
  std::size_t unknown = 0;                  ///< Of `references`: those that are watched.
  std::uint32_t missing_left = 0;

  /// Adds an argument by value. \return where its `size` bytes go.
  std::span<std::byte> AddValue(std::size_t size);
  void AddReference(internal::ReferencePtr reference);
  /// What is known of one of `references`. \pre a value, or where it is stored.
  void SetState(std::size_t index, const ObjectState& state);
  /// Forgets inline values: what an earlier attempt was told may be out of date.
  void ForgetValues();
  /// \return all arguments, in order, as they are sent.
  [[nodiscard]] std::string Encode() const;
};

/// One submitted task; a million may be queued, so it is small. Owned by the task table; lent to
/// its kind's `TaskSender` from `Enqueue` until that tells its `AttemptObserver` how the attempt
/// ended.
struct SubmittedTask {
  TaskId id;
  TaskKindPtr kind;
  std::unique_ptr<TaskArguments> arguments;  ///< Null: there are none.
  std::uint32_t attempt = 0;                 ///< 0 first.
};

}  // namespace mobula::core_worker
