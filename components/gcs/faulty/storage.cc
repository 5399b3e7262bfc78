#include "components/gcs/faulty/storage.h"

#include <algorithm>
#include <memory>

namespace mobula::gcs {
namespace {

Result<StorageFault> ReadFault(const ConfigValue& config, const std::string& path) {
  using Operation = StorageFault::Operation;
  ConfigReader reader(config, path);
  StorageFault fault;
  const std::string operation = reader.Text("operation", "any");
  if (operation == "write") {
    fault.operation = Operation::kWrite;
  } else if (operation == "read") {
    fault.operation = Operation::kRead;
  } else if (operation == "scan") {
    fault.operation = Operation::kScan;
  } else if (operation != "any") {
    reader.Reject("operation", "must be any, write, read or scan");
  }
  fault.table = reader.Text("table", "");
  fault.skip = reader.Integer("skip", fault.skip, 0, INT64_MAX);
  fault.chance = reader.Number("chance", 1, 0, 1);
  fault.delay = reader.Time("delay", Duration(0));
  fault.error = reader.Boolean("error", false);
  fault.applied = reader.Boolean("applied", false);
  if (auto read = reader.Finish(); !read) return Fail(std::move(read.error()));
  return fault;
}

}  // namespace

FaultyStorage::FaultyStorage(EventLoop& loop, Random random, std::unique_ptr<Storage> inner,
                             std::vector<StorageFault> rules)
    : loop_(loop), random_(random), inner_(std::move(inner)), timer_(loop) {
  for (StorageFault& rule : rules) rules_.push_back(Rule{std::move(rule)});
}

FaultyStorage::Verdict FaultyStorage::ApplyRules(Operation operation,
                                                 const std::vector<Change>& changes,
                                                 std::string_view table) {
  Verdict verdict;
  for (Rule& rule : rules_) {
    if (rule.operation != Operation::kAny && rule.operation != operation) continue;
    const auto touches = [&](const Change& change) { return change.table == rule.table; };
    // A write is one call for changes in several tables. It matches if one of them is the rule's.
    if (!rule.table.empty() && rule.table != table && !std::ranges::any_of(changes, touches)) {
      continue;
    }
    // Every match counts towards `skip`, so that a rule can let a server start and strike later.
    if (rule.seen++ < rule.skip || !random_.Chance(rule.chance)) continue;
    // Several rules may strike one call. Their effects add up, and the longest delay counts.
    verdict.delay = std::max(verdict.delay, rule.delay);
    verdict.error |= rule.error;
    verdict.applied |= rule.applied;
  }
  return verdict;
}

void FaultyStorage::After(Duration delay, EventLoop::Callback step) {
  // Callbacks come in the order of the calls, as every storage promises. So a call behind a delayed
  // one waits with it, even if no rule delays it.
  if (delay <= Duration(0) && delayed_.empty()) return step();
  delayed_.emplace_back(loop_.Now() + delay, std::move(step));
  if (delayed_.size() == 1) timer_.Set(delay, [this] { RunDue(); });
}

void FaultyStorage::RunDue() {
  while (!delayed_.empty() && delayed_.front().first <= loop_.Now()) {
    auto step = std::move(delayed_.front().second);
    delayed_.pop_front();
    step();
  }
  if (!delayed_.empty()) timer_.Set(delayed_.front().first - loop_.Now(), [this] { RunDue(); });
}

/// The empty write keeps the refusal in line behind the calls before it.
template <typename T>
void FaultyStorage::Refuse(Done<T> done) {
  inner_->Write({}, [done = std::move(done)](const Result<void>&) mutable {
    done(Fail(ErrorCode::kInternal, "storage fault: an I/O error was injected"));
  });
}

void FaultyStorage::Write(std::vector<Change> changes, Done<void> done) {
  const Verdict verdict = ApplyRules(Operation::kWrite, changes, "");
  After(verdict.delay,
        [this, verdict, changes = std::move(changes), done = std::move(done)]() mutable {
          // Whether the storage is broken is asked when the call is due: one before it may have
          // broken it.
          if (!verdict.error && !broken_) return inner_->Write(std::move(changes), std::move(done));
          // The caller is told of an error, and a restart finds the data all the same. A real disk
          // does this when the write arrives and its confirmation does not.
          if (verdict.applied && !broken_) {
            inner_->Write(std::move(changes), [](const Result<void>&) {});
          }
          // After an I/O error nothing that the storage says can be relied on, so it says nothing
          // more.
          broken_ = true;
          Refuse<void>(std::move(done));
        });
}

void FaultyStorage::Read(std::string_view table, std::string_view key,
                         Done<std::optional<std::string>> done) {
  const Verdict verdict = ApplyRules(Operation::kRead, {}, table);
  After(verdict.delay, [this, verdict, table = std::string(table), key = std::string(key),
                        done = std::move(done)]() mutable {
    // A read that fails breaks the storage as a write does: the disk below is the same.
    broken_ |= verdict.error;
    if (broken_) return Refuse<std::optional<std::string>>(std::move(done));
    inner_->Read(table, key, std::move(done));
  });
}

void FaultyStorage::Scan(std::string_view table, std::string_view prefix, Done<Entries> done) {
  const Verdict verdict = ApplyRules(Operation::kScan, {}, table);
  After(verdict.delay, [this, verdict, table = std::string(table), prefix = std::string(prefix),
                        done = std::move(done)]() mutable {
    broken_ |= verdict.error;
    if (broken_) return Refuse<Entries>(std::move(done));
    inner_->Scan(table, prefix, std::move(done));
  });
}

void FaultyStorage::ListKeys(std::string_view table, std::string_view prefix,
                             Done<std::vector<KeySize>> done) {
  const Verdict verdict = ApplyRules(Operation::kScan, {}, table);
  After(verdict.delay, [this, verdict, table = std::string(table), prefix = std::string(prefix),
                        done = std::move(done)]() mutable {
    broken_ |= verdict.error;
    if (broken_) return Refuse<std::vector<KeySize>>(std::move(done));
    inner_->ListKeys(table, prefix, std::move(done));
  });
}

Result<std::unique_ptr<Storage>> MakeFaultyStorage(ConfigReader& config,
                                                   const Storage::Context& context) {
  const ConfigValue& inner = config.Child("inner");
  const ConfigValue& listed = config.Child("rules");
  std::vector<StorageFault> rules;
  if (const ConfigValue::List* list = listed.list()) {
    for (const ConfigValue& item : *list) {
      auto rule = ReadFault(item, fmt::format("{}.rules[{}]", config.path(), rules.size()));
      if (!rule) return Fail(std::move(rule.error()));
      rules.push_back(std::move(*rule));
    }
  } else if (config.Has("rules")) {
    config.Reject("rules", "must be a list, not {}", listed.TypeName());
  }
  // The inner storage draws from a stream of its own. A rule that is added here changes nothing
  // there.
  Storage::Context below = context;
  below.random = context.random.Fork("inner");
  auto made = context.kinds.Make(inner, config.path() + ".inner", kUsualStorage, below);
  if (!made) return Fail(std::move(made.error()));
  return std::make_unique<FaultyStorage>(context.loop, context.random.Fork("faulty"),
                                         std::move(*made), std::move(rules));
}

}  // namespace mobula::gcs
