/// \file
/// \brief Rows of a benchmark run: value, its physical floor measured in the same run, the ratio.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace bench {

/// Seconds on the steady clock.
[[nodiscard]] inline double Now() {
  using Seconds = std::chrono::duration<double>;
  return Seconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Seconds that `work` takes.
template <typename Work>
[[nodiscard]] double Timed(Work&& work) {
  const double begin = Now();
  std::forward<Work>(work)();
  return Now() - begin;
}

/// A time in which nothing is asked: whoever spins goes to sleep. Between the calls of the *parked*
/// rows; without it rows are *hot*.
void Gap(std::chrono::milliseconds length = std::chrono::milliseconds(1));

/// \return the `fraction` quantile; 0 of nothing.
[[nodiscard]] double Quantile(std::vector<double> values, double fraction);
[[nodiscard]] double Median(const std::vector<double>& values);

/// What a value is held against: a name from the floor block, and the number in the row's unit.
struct Floor {
  double value = 0;
  std::string name;
};

/// One measured line. `ratio` is value / floor where more is better, floor / value where less is:
/// 1 is the best there is, and nothing (null) where the floor is zero.
struct Row {
  std::string name;
  double value = 0;  ///< Median of `rounds`.
  std::string unit;
  std::optional<double> p50_us = {};  ///< Latency rows only.
  std::optional<double> p99_us = {};
  Floor floor;
  std::optional<double> ratio = {};
  std::vector<double> rounds = {};  ///< The value of each round: how far to trust the median.
};

/// More is better: rates.
[[nodiscard]] Row Rate(std::string name, std::string unit, std::vector<double> rounds, Floor floor);
/// Less is better: times, sizes.
[[nodiscard]] Row Cost(std::string name, std::string unit, std::vector<double> rounds, Floor floor);
/// One call after the other; `rounds_us` holds the times of the calls of each round. The value is
/// calls a second at the median; p50 and p99 are medians over the rounds.
[[nodiscard]] Row Latency(std::string name, const std::vector<std::vector<double>>& rounds_us,
                          Floor floor_us);

/// What the machine itself can do, measured now: name → number. floors/ has each probe.
using Floors = std::map<std::string, double>;
[[nodiscard]] Floors MeasureFloors(bool quick);

/// How to run.
struct Settings {
  bool quick = false;    ///< Look, do not measure: fewer rounds, smaller sizes.
  int only_rounds = 0;   ///< So many instead of the usual number; 0: as usual.
  std::string binaries;  ///< Folder of `node`.

  [[nodiscard]] int rounds() const {
    if (only_rounds > 0) return only_rounds;
    return quick ? 2 : 5;
  }
  /// \return `full`, or a tenth of it for a look.
  [[nodiscard]] int Size(int full) const { return quick ? full / 10 : full; }
};

/// \return what `round` gives, `settings.rounds()` times. `round` returns a number, or the times of
/// its calls for `Latency`.
template <typename Round>
[[nodiscard]] auto Repeat(const Settings& settings, Round&& round) {
  std::vector<decltype(round())> results;
  for (int i = 0; i < settings.rounds(); ++i) results.push_back(round());
  return results;
}

/// What is run as a whole, and the rows that come of it. It starts what it needs and leaves nothing
/// behind.
struct Workload {
  std::string name;
  std::vector<std::string> rows;
  std::function<std::vector<Row>(const Settings&, const Floors&)> run;
};
[[nodiscard]] std::vector<Workload> Workloads();

void Print(const Row& row);
[[nodiscard]] std::string ToJson(const std::string& machine, const Floors& floors,
                                 const std::vector<Row>& rows);

}  // namespace bench
