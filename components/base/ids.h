/// \file
/// \brief Distinct id types. A `NodeId` is never mistaken for a `WorkerId`.
///
/// An id is a fixed number of raw bytes, printed as lower-case hex. Random ids come from a
/// `Random` stream (random.h); task and object ids are *derived*, so that a task which runs
/// again names the same children and the same results (Ray does the same; its lineage
/// reconstruction rests on it).
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "components/base/result.h"

namespace mobula {

/// \return `bytes` as lower-case hex, two digits a byte.
[[nodiscard]] std::string ToHex(std::string_view bytes);
/// \return the bytes that `hex` spells. kInvalidArgument on odd length or a non-hex digit.
[[nodiscard]] Result<std::string> FromHex(std::string_view hex);

/// `N` raw bytes that name one kind of thing, told apart by `Tag`. A value; all zero is "nil".
template <typename Tag, std::size_t N>
class Id {
 public:
  static constexpr std::size_t kSize = N;
  constexpr Id() = default;

  /// \return the id with these bytes. kInvalidArgument unless `binary` has `kSize` bytes.
  [[nodiscard]] static Result<Id> FromBinary(std::string_view binary) {
    if (binary.size() != N) {
      return Fail(ErrorCode::kInvalidArgument, "an id of {} bytes was given {}", N, binary.size());
    }
    Id id;
    std::memcpy(id.bytes_.data(), binary.data(), binary.size());
    return id;
  }
  /// \return the id with these bytes, or nil when the length is wrong. For bytes of our own.
  [[nodiscard]] static Id FromBinaryOrNil(std::string_view binary) {
    return FromBinary(binary).value_or(Id());
  }

  [[nodiscard]] std::string_view Binary() const {
    return {reinterpret_cast<const char*>(bytes_.data()), N};
  }
  [[nodiscard]] std::string Hex() const { return ToHex(Binary()); }
  /// \return the first eight hex digits, for logs and messages.
  [[nodiscard]] std::string Short() const { return Hex().substr(0, 8); }
  [[nodiscard]] bool IsNil() const { return *this == Id(); }

  friend auto operator<=>(const Id&, const Id&) = default;

 private:
  std::array<std::uint8_t, N> bytes_{};
};

using ClusterId = Id<struct ClusterTag, 16>;  ///< One life of one cluster.
using NodeId = Id<struct NodeTag, 16>;        ///< One raylet incarnation.
using WorkerId = Id<struct WorkerTag, 16>;    ///< One driver or worker process.
using JobId = Id<struct JobTag, 4>;           ///< One driver's run.
using LeaseId = Id<struct LeaseTag, 16>;      ///< One grant of one worker to one owner.
using TaskId = Id<struct TaskTag, 16>;        ///< One task, over all its attempts.

/// Names one object: the task that makes it and the index of the result. A `Put` counts as a
/// result of the running task too, with the top bit of the index set.
class ObjectId : public Id<struct ObjectTag, 20> {
 public:
  ObjectId() = default;
  ObjectId(const Id& id) : Id(id) {}  // NOLINT(google-explicit-constructor): the same value
  /// The `index`-th result of `task`, from 0.
  [[nodiscard]] static ObjectId OfTask(const TaskId& task, std::uint32_t index);
  /// The `index`-th `Put` of `task`, from 0.
  [[nodiscard]] static ObjectId OfPut(const TaskId& task, std::uint32_t index);
  [[nodiscard]] TaskId Task() const;
  [[nodiscard]] bool IsPut() const;
};

/// A hash. `index` holds the attempt of `parent` and counts what that one submits: core_worker.cc.
[[nodiscard]] TaskId ChildTaskId(const TaskId& parent, std::uint64_t index);
/// The id of the driver's own main task in `job`, parent of all it submits.
[[nodiscard]] TaskId DriverTaskId(const JobId& job, const WorkerId& driver);

/// Hash for unordered containers. Ids are random or hashes already, so eight bytes do.
struct IdHash {
  template <typename Tag, std::size_t N>
  std::size_t operator()(const Id<Tag, N>& id) const {
    std::uint64_t word = 0;
    std::memcpy(&word, id.Binary().data(), N < sizeof word ? N : sizeof word);
    if constexpr (N > 16) {  // results of one task differ in the tail only
      std::uint32_t tail = 0;
      std::memcpy(&tail, id.Binary().data() + N - sizeof tail, sizeof tail);
      word ^= tail * 0x9E3779B97F4A7C15ULL;
    }
    return word;
  }
};

}  // namespace mobula

template <typename Tag, std::size_t N>
struct std::hash<mobula::Id<Tag, N>> : mobula::IdHash {};
template <>
struct std::hash<mobula::ObjectId> : mobula::IdHash {};
