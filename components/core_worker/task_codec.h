/// \file
/// \edge
/// \brief What most tasks and results are, as bytes: a few nanoseconds each, and no Protobuf.
///
/// A batch is a row of records. `#` is a number, seven bits a byte, low ones first, the top bit
/// saying that more follow (at most ten bytes, as in Protobuf).
///
///     task       1  task id (16)  # attempt  # slot  # size of the arguments  arguments
///     constants  2  # slot  # size  TaskConstants message: what tasks of this slot mean from here
///     argument   # 2 × size + 1 if stored  the value, or a StoredArgument message
///     value      task id (16)  # attempt  # duration in ns  # size  the value
///
/// Whoever reads believes nothing: sizes are checked against what is there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "components/base/ids.h"

namespace mobula::core_worker {

/// A lease knows this many constants at a time; what is new takes the slot of what is old.
inline constexpr std::uint32_t kConstantsSlots = 256;

void AppendTask(const TaskId& id, std::uint32_t attempt, std::uint32_t slot,
                std::string_view arguments, std::string* batch);
void AppendConstants(std::uint32_t slot, std::string_view message, std::string* batch);
void AppendArgumentHead(std::size_t size, bool is_stored, std::string* arguments);
/// All of it but the value itself, which has to follow.
void AppendValueHead(const TaskId& id, std::uint32_t attempt, std::uint64_t duration_ns,
                     std::size_t size, std::string* batch);

/// A task, or constants if `is_constants`. Views into the batch.
struct TaskEntry {
  bool is_constants = false;
  TaskId id;
  std::uint32_t attempt = 0;
  std::uint32_t slot = 0;  ///< Below `kConstantsSlots`.
  std::string_view bytes;  ///< Arguments, or a message.
};
struct ArgumentEntry {
  bool is_stored = false;
  std::string_view bytes;
};
struct ValueEntry {
  TaskId id;
  std::uint32_t attempt = 0;
  std::uint64_t duration_ns = 0;
  std::string_view bytes;
};

/// Reads a row of records of one kind. Lifetime: the bytes outlive it.
class BatchReader {
 public:
  explicit BatchReader(std::string_view bytes) : rest_(bytes) {}
  /// \return false at the end, and where the bytes make no sense: then `IsCorrupt`.
  [[nodiscard]] bool Next(TaskEntry* task);
  [[nodiscard]] bool Next(ArgumentEntry* argument);
  [[nodiscard]] bool Next(ValueEntry* value);
  [[nodiscard]] bool IsCorrupt() const { return is_corrupt_; }

 private:
  bool Stop();
  bool Number(std::uint64_t most, std::uint64_t* out);
  bool Number(std::uint32_t* out);
  bool Bytes(std::size_t size, std::string_view* out);
  bool Sized(std::string_view* out);
  bool Id(TaskId* out);

  std::string_view rest_;
  bool is_corrupt_ = false;
};

}  // namespace mobula::core_worker
