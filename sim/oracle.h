/// \file
/// \brief The oracle: what every value must be, and which errors the faults so far excuse.
///
/// Values are a pure function of the task graph, so they are known before anything runs. An error
/// is right only if a fault could have caused it: a task with retries left may not say that its
/// worker died, and an object that can be made again may not be lost. Book: \ref ch_how_we_know.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/payload.h"
#include "components/base/result.h"
#include "components/protocol/common.pb.h"
#include "sim/simulation.pb.h"

namespace mobula::sim {

/// Mixes one more value into a hash; the arithmetic of every task.
[[nodiscard]] std::uint64_t Mix(std::uint64_t hash, std::uint64_t value);
/// \return the bytes of a value with this hash. The padding depends on the hash.
[[nodiscard]] std::string EncodeValue(std::uint64_t hash, std::uint32_t padding_bytes,
                                      const protocol::Reference* inner);
/// \return the value. kCorrupt if these are not the bytes of one, to the last byte.
[[nodiscard]] Result<Value> DecodeValue(std::string_view bytes);

/// What happened to the cluster.
enum class Fault : std::uint8_t { kWorkerKilled, kNodeKilled, kDriverKilled, kParted };

/// Who gets a value. A driver holds what it gets; a task that is made again may read a Put that
/// everybody else has dropped.
enum class Reader : std::uint8_t { kDriver, kTask };

/// Threads: one. Lifetime: the run's.
class Oracle {
 public:
  /// Whether some node is big enough for a task, or will be in time.
  enum class Feasibility : std::uint8_t { kFeasible, kInfeasible };
  /// A task that will be submitted with these arguments (by id); its children too.
  void AddTask(const Plan& plan, std::span<const std::uint32_t> arguments,
               std::span<const std::uint32_t> contained, std::string name,
               Feasibility feasibility = Feasibility::kFeasible);
  /// An object that will be Put.
  void AddPut(std::uint32_t id, std::uint64_t constant, std::string name);
  /// \return ids that nobody has: for plans.
  [[nodiscard]] std::uint32_t NewId() { return ++last_id_; }

  void OnFault(Fault fault) { ++faults_[fault]; }
  /// \param name of the driver, with which the names of all its objects begin.
  void OnDriverKilled(const std::string& name) {
    OnFault(Fault::kDriverKilled);
    killed_drivers_.insert(name);
  }
  /// \return what is wrong with this outcome of a Get of the plan's result; nothing if it is right.
  [[nodiscard]] std::optional<std::string> CheckOutcome(std::uint32_t id,
                                                        const Result<Payload>& outcome,
                                                        Reader reader = Reader::kDriver) const;
  /// \return the plan of the object that the value of `id` refers to; 0: it refers to none.
  [[nodiscard]] std::uint32_t InnerOf(std::uint32_t id) const { return At(id).inner; }
  /// \return what one value adds to the hash of the task that reads it.
  [[nodiscard]] std::uint64_t WeightOf(std::uint32_t id) const;
  [[nodiscard]] const std::string& NameOf(std::uint32_t id) const { return At(id).name; }
  /// \return whether this task, or one whose value it takes, asks for what no node has.
  [[nodiscard]] bool IsInfeasible(std::uint32_t id) const { return At(id).is_infeasible; }
  [[nodiscard]] std::uint64_t HashOf(std::uint32_t id) const { return At(id).hash; }
  [[nodiscard]] std::uint64_t faults() const;

 private:
  static constexpr std::int32_t kWithoutEnd = std::numeric_limits<std::int32_t>::max();
  /// One object, and all that must go well for it.
  struct Expected {
    std::string name;
    std::uint64_t hash = 0;
    std::uint32_t inner = 0;
    std::int32_t retries_min = kWithoutEnd;
    bool waits_inside = false;  ///< A task gets something while it runs.
    bool is_lent = false;       ///< Something in it is owned by a worker.
    bool is_put = false;
    bool is_infeasible = false;
    bool needs_put = false;  ///< A task in it reads a Put: cannot run again when that is dropped.
  };
  [[nodiscard]] const Expected& At(std::uint32_t id) const;
  /// \return why this error is wrong; empty if the faults so far excuse it.
  [[nodiscard]] std::string WhyNotExcused(const Expected& expected, ErrorCode code,
                                          Reader reader) const;
  static void DependOn(Expected& expected, const Expected& other);

  std::map<std::uint32_t, Expected> book_;
  std::map<Fault, std::uint64_t> faults_;
  std::set<std::string> killed_drivers_;
  std::uint32_t last_id_ = 0;
};

}  // namespace mobula::sim
