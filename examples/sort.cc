// Sorts 100-byte records by their 10-byte keys: map tasks split their share by key range, reduce
// tasks sort one range each. The result is checked: order, number and sum of all records.

#include <mobula/mobula.h>

#include <algorithm>
#include <cstring>

#include "examples/options.h"

namespace {

constexpr std::size_t kRecordBytes = 100;
constexpr std::size_t kKeyBytes = 10;

/// The records of one map task, grouped by range; range r is records [begins[r], begins[r + 1]).
struct Split {
  mobula::Buffer records;
  std::vector<std::uint64_t> begins;
};
/// What must not change by sorting, and what must be true afterwards.
struct Summary {
  std::uint64_t count = 0;
  std::uint64_t sum = 0;  // of all 4-byte words of all records, wrapping
  std::string first_key;
  std::string last_key;
  bool is_sorted = true;
};

std::uint64_t SumOf(const char* record) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kRecordBytes; i += 4) {
    std::uint32_t word = 0;
    std::memcpy(&word, record + i, sizeof word);
    sum += word;
  }
  return sum;
}

/// \return random records, the same for the same seed.
std::string Generate(std::uint64_t seed, std::uint64_t count) {
  std::string records(count * kRecordBytes, '\0');
  std::uint64_t state = seed * 0x9E3779B97F4A7C15ULL + 1;
  for (std::size_t i = 0; i < records.size(); i += 4) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const auto word = static_cast<std::uint32_t>(state >> 32);
    std::memcpy(records.data() + i, &word, sizeof word);
  }
  return records;
}

std::size_t RangeOf(const char* record, std::size_t ranges) {
  const auto high = static_cast<std::size_t>(static_cast<unsigned char>(record[0]));
  const auto low = static_cast<std::size_t>(static_cast<unsigned char>(record[1]));
  return (high * 256 + low) * ranges / 65'536;
}

Split MapRecords(std::uint64_t seed, std::uint64_t count, std::uint64_t ranges) {
  const std::string records = Generate(seed, count);
  Split split;
  split.begins.assign(ranges + 1, 0);
  for (std::uint64_t i = 0; i < count; ++i) {
    ++split.begins[RangeOf(records.data() + i * kRecordBytes, ranges) + 1];
  }
  for (std::size_t r = 0; r < ranges; ++r) split.begins[r + 1] += split.begins[r];
  std::vector<std::uint64_t> next(split.begins.begin(), split.begins.end() - 1);
  std::string grouped(records.size(), '\0');
  for (std::uint64_t i = 0; i < count; ++i) {
    const char* record = records.data() + i * kRecordBytes;
    std::memcpy(grouped.data() + next[RangeOf(record, ranges)]++ * kRecordBytes, record,
                kRecordBytes);
  }
  split.records = mobula::Buffer(std::move(grouped));
  return split;
}

mobula::Buffer ReduceRange(const std::vector<mobula::ObjectRef<Split>>& splits,
                           std::uint64_t range) {
  std::vector<Split> held;  // keeps the memory that `order` points into
  std::vector<const char*> order;
  for (const auto& ref : splits) {
    held.push_back(mobula::Get(ref));
    const Split& split = held.back();
    for (std::uint64_t i = split.begins[range]; i < split.begins[range + 1]; ++i) {
      order.push_back(split.records.text().data() + i * kRecordBytes);
    }
  }
  std::ranges::sort(order,
                    [](const char* a, const char* b) { return std::memcmp(a, b, kKeyBytes) < 0; });
  std::string sorted;
  sorted.reserve(order.size() * kRecordBytes);
  for (const char* record : order) sorted.append(record, kRecordBytes);
  return mobula::Buffer(std::move(sorted));
}

Summary Check(const mobula::Buffer& sorted) {
  Summary summary;
  summary.count = sorted.size() / kRecordBytes;
  const char* const records = sorted.text().data();
  for (std::uint64_t i = 0; i < summary.count; ++i) {
    const char* record = records + i * kRecordBytes;
    summary.sum += SumOf(record);
    if (i > 0 && std::memcmp(record - kRecordBytes, record, kKeyBytes) > 0) {
      summary.is_sorted = false;
    }
  }
  if (summary.count > 0) {
    summary.first_key.assign(records, kKeyBytes);
    summary.last_key.assign(records + (summary.count - 1) * kRecordBytes, kKeyBytes);
  }
  return summary;
}

std::uint64_t SumGenerated(std::uint64_t seed, std::uint64_t count) {
  const std::string records = Generate(seed, count);
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) sum += SumOf(records.data() + i * kRecordBytes);
  return sum;
}

int SortAndVerify(int argc, char** argv) {
  const examples::Options options(
      argc, argv, {{"records", "500000"}, {"maps", "8"}, {"ranges", "8"}},
      "sort [--records 500000] [--maps 8] [--ranges 8]\n"
      "records have 100 bytes; twice that much must fit the object stores\n");
  const auto records = static_cast<std::uint64_t>(options.Number("records", 1, 1'000'000'000));
  const auto maps = static_cast<std::uint64_t>(options.Number("maps", 1, 10'000));
  const auto ranges = static_cast<std::uint64_t>(options.Number("ranges", 1, 4'096));
  const examples::Stopwatch whole;
  mobula::Init(argc, argv);
  const double joined = whole.Seconds();

  std::vector<mobula::ObjectRef<Split>> splits;
  std::vector<mobula::ObjectRef<std::uint64_t>> sums;
  for (std::uint64_t m = 0; m < maps; ++m) {
    const std::uint64_t count = records * (m + 1) / maps - records * m / maps;
    splits.push_back(mobula::Remote<MapRecords>(m + 1, count, ranges));
    sums.push_back(mobula::Remote<SumGenerated>(m + 1, count));
  }
  std::vector<mobula::ObjectRef<Summary>> checks;
  for (std::uint64_t r = 0; r < ranges; ++r) {
    checks.push_back(mobula::Remote<Check>(mobula::Remote<ReduceRange>(splits, r)));
  }
  splits.clear();
  std::uint64_t expected = 0;
  for (const std::uint64_t sum : mobula::Get(sums)) expected += sum;
  Summary all;
  for (std::size_t r = 0; r < checks.size(); ++r) {
    const Summary part = mobula::Get(checks[r]);
    const bool follows = part.count == 0 || all.count == 0 || all.last_key <= part.first_key;
    all.is_sorted = all.is_sorted && part.is_sorted && follows;
    all.count += part.count;
    all.sum += part.sum;
    if (part.count > 0) all.last_key = part.last_key;
    examples::Progress("sort", r + 1, checks.size(), "ranges");
  }
  const bool is_right = all.is_sorted && all.count == records && all.sum == expected;
  const double seconds = whole.Seconds() - joined;
  std::printf("%llu records: %s\n", static_cast<unsigned long long>(all.count),
              is_right ? "sorted, none lost or changed" : "WRONG");
  std::printf("time: %.3f s to join, %.3f s to sort and check (%.1f MB/s)\n", joined, seconds,
              static_cast<double>(records * kRecordBytes) / 1e6 / seconds);
  mobula::Shutdown();
  return is_right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) { return examples::Run(SortAndVerify, argc, argv); }
