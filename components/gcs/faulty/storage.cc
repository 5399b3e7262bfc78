#include "components/gcs/faulty/storage.h"

#include <algorithm>

namespace mobula::gcs {

FaultyStorage::FaultyStorage(EventLoop& loop, Random random, std::unique_ptr<Storage> inner,
                             std::vector<StorageFault> rules)
    : loop_(loop), random_(random), inner_(std::move(inner)), timer_(loop) {
  for (StorageFault& rule : rules) rules_.push_back(Rule{std::move(rule)});
}

FaultyStorage::Verdict FaultyStorage::Judge(Operation operation, const std::vector<Change>& changes,
                                            std::string_view table) {
  Verdict verdict;
  for (Rule& rule : rules_) {
    if (rule.operation != Operation::kAny && rule.operation != operation) continue;
    const auto touches = [&](const Change& change) { return change.table == rule.table; };
    if (!rule.table.empty() && rule.table != table && !std::ranges::any_of(changes, touches)) {
      continue;
    }
    if (rule.seen++ < rule.skip || !random_.Chance(rule.chance)) continue;
    verdict.delay = std::max(verdict.delay, rule.delay);
    verdict.error |= rule.error;
    verdict.applied |= rule.applied;
  }
  return verdict;
}

void FaultyStorage::After(Duration delay, EventLoop::Callback step) {
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
  const Verdict verdict = Judge(Operation::kWrite, changes, "");
  After(verdict.delay,
        [this, verdict, changes = std::move(changes), done = std::move(done)]() mutable {
          if (!verdict.error && !broken_) return inner_->Write(std::move(changes), std::move(done));
          if (verdict.applied && !broken_) {
            inner_->Write(std::move(changes), [](const Result<void>&) {});
          }
          broken_ = true;
          Refuse<void>(std::move(done));
        });
}

void FaultyStorage::Read(std::string_view table, std::string_view key,
                         Done<std::optional<std::string>> done) {
  const Verdict verdict = Judge(Operation::kRead, {}, table);
  After(verdict.delay, [this, verdict, table = std::string(table), key = std::string(key),
                        done = std::move(done)]() mutable {
    broken_ |= verdict.error;
    if (broken_) return Refuse<std::optional<std::string>>(std::move(done));
    inner_->Read(table, key, std::move(done));
  });
}

void FaultyStorage::Scan(std::string_view table, std::string_view prefix, Done<Entries> done) {
  const Verdict verdict = Judge(Operation::kScan, {}, table);
  After(verdict.delay, [this, verdict, table = std::string(table), prefix = std::string(prefix),
                        done = std::move(done)]() mutable {
    broken_ |= verdict.error;
    if (broken_) return Refuse<Entries>(std::move(done));
    inner_->Scan(table, prefix, std::move(done));
  });
}

}  // namespace mobula::gcs
