#include "sim/oracle.h"

#include <algorithm>

#include "components/base/check.h"
#include "components/protocol/common.pb.h"

namespace mobula::sim {

std::uint64_t Mix(std::uint64_t hash, std::uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15ULL + (hash << 6U) + (hash >> 2U);
  hash *= 0xFF51AFD7ED558CCDULL;
  return hash ^ (hash >> 33U);
}

std::string EncodeValue(std::uint64_t hash, std::uint32_t padding_bytes,
                        const protocol::Reference* inner) {
  Value value;
  value.set_hash(hash);
  if (inner != nullptr) *value.mutable_inner() = *inner;
  std::string& padding = *value.mutable_padding();
  padding.resize(padding_bytes);
  for (std::uint32_t i = 0; i < padding_bytes; ++i) {
    padding[i] = static_cast<char>(hash >> (i % 8 * 8));
  }
  return value.SerializeAsString();
}

Result<Value> DecodeValue(std::string_view bytes) {
  Value value;
  if (!value.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Fail(ErrorCode::kCorrupt, "{} bytes are not a value", bytes.size());
  }
  for (std::size_t i = 0; i < value.padding().size(); ++i) {
    if (value.padding()[i] != static_cast<char>(value.hash() >> (i % 8 * 8))) {
      return Fail(ErrorCode::kCorrupt, "byte {} of the padding does not belong to {:x}", i,
                  value.hash());
    }
  }
  return value;
}

const Oracle::Expected& Oracle::At(std::uint32_t id) const {
  const auto it = book_.find(id);
  Check(it != book_.end(), "the oracle knows every plan");
  return it->second;
}

std::uint64_t Oracle::WeightOf(std::uint32_t id) const {
  const Expected& expected = At(id);
  return expected.inner == 0 ? expected.hash : Mix(expected.hash, At(expected.inner).hash);
}

void Oracle::DependOn(Expected& expected, const Expected& other) {
  // What can go wrong with an input can go wrong with the task: it is as weak as the weakest of
  // them.
  expected.retries_min = std::min(expected.retries_min, other.retries_min);
  expected.waits_inside |= other.waits_inside;
  expected.is_lent |= other.is_lent;
  expected.is_infeasible |= other.is_infeasible;
  expected.needs_put |= other.is_put || other.needs_put;
}

void Oracle::AddPut(std::uint32_t id, std::uint64_t constant, std::string name) {
  // No task makes a Put again: its bytes are gone with the last copy.
  Expected& expected = book_[id];
  expected.name = std::move(name);
  expected.hash = constant;
  expected.is_put = true;
}

void Oracle::AddTask(const Plan& plan, std::span<const std::uint32_t> arguments,
                     std::span<const std::uint32_t> contained, std::string name,
                     Feasibility feasibility) {
  Expected expected;
  expected.name = std::move(name);
  expected.hash = plan.constant();
  expected.retries_min = plan.max_retries();
  expected.is_infeasible = feasibility == Feasibility::kInfeasible;
  //! [expected]
  const auto read = [&](std::uint32_t id) {  // what the task does with a value it has
    const Expected& other = At(id);
    DependOn(expected, other);
    if (other.inner != 0) {
      DependOn(expected, At(other.inner));
      expected.waits_inside = true;
    }
    expected.hash = Mix(expected.hash, WeightOf(id));
  };
  for (const std::uint32_t id : arguments) read(id);
  for (const std::uint32_t id : contained) {
    expected.waits_inside = true;
    read(id);
  }
  //! [expected]
  std::vector<std::uint32_t> previous;
  for (int i = 0; i < plan.children_size(); ++i) {
    const Plan& child = plan.children(i);
    AddTask(child, plan.is_chained() ? std::span(previous) : std::span<std::uint32_t>(), {},
            fmt::format("{}.{}", expected.name, i));
    previous = {child.id()};
    expected.inner = child.id();
    // A child that the task does not wait for adds nothing to its value.
    const bool is_unfinished = plan.inner() == UNFINISHED && i + 1 == plan.children_size();
    if (is_unfinished) break;
    expected.is_lent = expected.waits_inside = true;
    read(child.id());
  }
  switch (plan.inner()) {
    case PUT: {
      expected.inner = NewId();
      AddPut(expected.inner, Mix(plan.constant(), 1), expected.name + ".put");
      break;
    }
    case CONTAINED: expected.inner = contained.front(); break;
    case CHILD:
    case UNFINISHED: break;
    default: expected.inner = 0;
  }
  if (plan.inner() != NONE) {  // who reads the value reads this too; the worker owns it
    Expected& inner = book_[expected.inner];
    if (plan.inner() != CONTAINED) inner.is_lent = true;
  }
  book_[plan.id()] = std::move(expected);
}

std::uint64_t Oracle::faults() const {
  std::uint64_t sum = 0;
  for (const auto& [fault, count] : faults_) sum += count;
  return sum;
}

std::optional<std::string> Oracle::CheckOutcome(std::uint32_t id, const Result<Payload>& outcome,
                                                Reader reader) const {
  const Expected& expected = At(id);
  // Nothing has to go wrong for a task that no node can run: it must end in this one error.
  if (expected.is_infeasible) {
    if (!outcome && outcome.error().code() == ErrorCode::kInfeasible) return std::nullopt;
    return fmt::format("wrong outcome: no node can run {}, but it ended in {}", expected.name,
                       outcome ? "a value" : outcome.error().ToString());
  }
  // A value is never excused: faults may cost time or end in an error, but no byte may be another.
  if (outcome) {
    const Result<Value> value = DecodeValue(outcome->text());
    if (!value) return fmt::format("{}: {}", expected.name, value.error().message());
    if (value->hash() != expected.hash) {
      return fmt::format("wrong value: {} is {:x}, not {:x}", expected.name, value->hash(),
                         expected.hash);
    }
    if (value->has_inner() != (expected.inner != 0)) {
      return fmt::format("wrong value: {} {} a reference", expected.name,
                         expected.inner != 0 ? "lacks" : "has");
    }
    return std::nullopt;
  }
  const std::string why_wrong = WhyNotExcused(expected, outcome.error().code(), reader);
  if (why_wrong.empty()) return std::nullopt;
  return fmt::format("wrong error: {} ended in {}, but {}", expected.name,
                     outcome.error().ToString(), why_wrong);
}

// An error must be one that the faults so far can have caused, and as few as possible are excused.
std::string Oracle::WhyNotExcused(const Expected& expected, ErrorCode code, Reader reader) const {
  const bool is_orphan = killed_drivers_.contains(expected.name.substr(0, expected.name.find('.')));
  const std::uint64_t count = faults();  // of the whole run: what it depends on is older than it
  if (count == 0) return "nothing was killed or parted";
  //! [excuse]
  switch (code) {
    case ErrorCode::kWorkerDied:
    case ErrorCode::kNodeDied:
      // Each fault can have cost each task below this one at most one attempt.
      if (count > static_cast<std::uint64_t>(expected.retries_min)) return "";
      return fmt::format("it may be retried {} times, and there were {} faults",
                         expected.retries_min, count);
    case ErrorCode::kObjectLost:
      if (expected.retries_min == 0) return "";  // a task that cannot run again
      if (expected.needs_put) return "";         // whose bytes lineage does not keep
      if (expected.is_put && reader == Reader::kTask) return "";
      return "all tasks it needs can run again, and nobody outlives what it has Put";
    case ErrorCode::kInfeasible:
      // A new node takes the place of a dead one long before the grace of a request is over. Only
      // when the places of several are empty in turn may it see nothing big enough for so long.
      if (faults_.contains(Fault::kNodeKilled) && faults_.at(Fault::kNodeKilled) > 1) return "";
      return "there is a big enough node, or was until shortly before";
    case ErrorCode::kOwnerDied:
      // Something in it is owned by a worker, or all of it by a driver that was killed.
      if (expected.is_lent || is_orphan) return "";
      return "its owner lives";
    case ErrorCode::kTaskFailed:
      // A task that gets something fails with the error that it got.
      return expected.waits_inside ? "" : "no task that it needs waits for anything";
    default: return "no fault can be the cause of this";
  }
  //! [excuse]
}

}  // namespace mobula::sim
