/// \file
/// \edge
/// \brief Storage kind `faulty`: another storage that is slow or breaks, by rule and seed.
///
///     storage: {kind: faulty, inner: {kind: memory}, rules: [
///       {operation: write, table: nodes, skip: 10, chance: 0.01, delay: 5ms},
///       {operation: write, skip: 100, error: true, applied: true}]}
///
/// Listing keys counts as a scan. Delays keep the order of callbacks, as the contract demands. An
/// error is an I/O error: from then on everything is refused. `applied` makes a failing write land
/// all the same, as a failed fsync may.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "components/base/event_loop.h"
#include "components/base/random.h"
#include "components/gcs/storage.h"

namespace mobula::gcs {

/// When to hurt, and how. All conditions must hold.
struct StorageFault {
  enum class Operation : std::uint8_t { kAny, kWrite, kRead, kScan };

  Operation operation = Operation::kAny;
  std::string table{};     ///< Empty: any. A write matches if one of its changes does.
  std::uint64_t skip = 0;  ///< So many matching calls are spared first.
  double chance = 1;       ///< Of the calls after that.
  Duration delay{0};       ///< Before the call reaches the inner storage.
  bool error = false;      ///< Fail, and refuse everything from then on.
  bool applied = false;    ///< A failing write lands nevertheless.
};

/// Threads: the state lock. Lifetime: the loop outlives it; owns the inner storage.
class FaultyStorage final : public Storage {
 public:
  FaultyStorage(EventLoop& loop, Random random, std::unique_ptr<Storage> inner,
                std::vector<StorageFault> rules);

  void Write(std::vector<Change> changes, Done<void> done) override;
  void Read(std::string_view table, std::string_view key,
            Done<std::optional<std::string>> done) override;
  void Scan(std::string_view table, std::string_view prefix, Done<Entries> done) override;
  void ListKeys(std::string_view table, std::string_view prefix,
                Done<std::vector<KeySize>> done) override;
  [[nodiscard]] std::string_view Name() const override { return "faulty"; }

 private:
  using Operation = StorageFault::Operation;
  struct Verdict {
    Duration delay{0};
    bool error = false;
    bool applied = false;
  };
  struct Rule : StorageFault {
    std::uint64_t seen = 0;
  };
  Verdict ApplyRules(Operation operation, const std::vector<Change>& changes,
                     std::string_view table);
  void After(Duration delay, EventLoop::Callback step);
  void RunDue();
  template <typename T>
  void Refuse(Done<T> done);

  EventLoop& loop_;
  Random random_;
  std::unique_ptr<Storage> inner_;
  std::vector<Rule> rules_;
  std::deque<std::pair<TimePoint, EventLoop::Callback>> delayed_;  // in order of the calls
  Timer timer_;
  bool broken_ = false;
};

/// Keys: `inner`, a storage (memory), and `rules`, a list of `StorageFault`s.
[[nodiscard]] Result<std::unique_ptr<Storage>> MakeFaultyStorage(ConfigReader& config,
                                                                 const Storage::Context& context);
inline constexpr Kind<Storage> kFaulty{"faulty", MakeFaultyStorage};

}  // namespace mobula::gcs
